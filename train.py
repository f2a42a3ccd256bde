"""Train one network, or a sweep of them: ``python train.py --help``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("train", sys.argv[1:], __file__))
