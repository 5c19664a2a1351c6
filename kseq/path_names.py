"""The type of a path in a public signature."""

import os

PathName = str | os.PathLike
