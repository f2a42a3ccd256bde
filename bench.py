"""Measure beside peers, interleaved in one process: ``python bench.py --help``."""

import sys

from normfree.bench.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
