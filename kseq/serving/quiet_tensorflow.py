"""Imports TensorFlow without its log lines; it starts neither threads nor the driver of a GPU.

A process that has imported this module can be forked.
"""

from kseq.console import import_tensorflow_quietly

import_tensorflow_quietly(finds_devices=False)
