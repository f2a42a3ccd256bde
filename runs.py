"""Where the runs of an experiment are, and starting some again: ``python runs.py --help``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("runs", sys.argv[1:], __file__))
