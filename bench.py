"""Measure beside peers, interleaved: ``python bench.py --help``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("bench", sys.argv[1:], __file__))
