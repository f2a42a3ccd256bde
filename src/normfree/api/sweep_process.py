"""The process of :func:`normfree.api.sweep`: the folder of the configuration or nothing, then overrides."""

import sys
from pathlib import Path

from normfree.cli.door import entered
from normfree.cli.train import INTERRUPTED, main

if __name__ == "__main__":
    folder, *overrides = sys.argv[1:]
    sys.exit(entered(lambda: main(["-m", *overrides], conf=Path(folder) if folder else None), INTERRUPTED))
