"""Turn runs or a probe into a report: ``python report.py experiment=quickstart``."""

import sys

from normfree.cli.main import run

if __name__ == "__main__":
    sys.exit(run("report", sys.argv[1:], __file__))
