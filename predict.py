"""Ask a trained network what it sees, on files, videos and cameras: ``python predict.py --help``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("predict", sys.argv[1:], __file__))
