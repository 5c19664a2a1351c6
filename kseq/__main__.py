"""`python -m kseq`: the `kseq` command."""

import sys

from kseq.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
