"""Where the runs of an experiment are, and starting some again: ``python runs.py --help``."""

import sys

from normfree.cli import told_in_one_line
from normfree.sweep.command import read_keys, runs

if __name__ == "__main__":
    with told_in_one_line():
        sys.exit(runs(read_keys(sys.argv[1:])))
