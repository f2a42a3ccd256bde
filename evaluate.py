"""How good a trained network is: ``python evaluate.py --help``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("evaluate", sys.argv[1:], __file__))
