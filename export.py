"""A trained network for other programs: ``python export.py --help``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("export", sys.argv[1:], __file__))
