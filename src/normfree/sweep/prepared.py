"""Importing this makes a process ready to fork workers, and ties it to the sweep that started it."""

import os
from contextlib import suppress

from normfree.host.orphans import end_with

SWEEP = "NORMFREE_SWEEP_PROCESS"
"""The environment variable that holds the process id of a sweep that starts such a process."""

if (sweep := os.environ.pop(SWEEP, None)) is not None:
    end_with(int(sweep))
    with suppress(Exception):  # a worker meets it again, and the sweep tells
        import normfree.train.worker  # noqa: F401
