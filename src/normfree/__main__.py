"""``python -m normfree COMMAND ...``."""

import sys

from normfree.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
