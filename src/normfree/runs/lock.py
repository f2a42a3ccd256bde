"""The lock of a run: one process trains it, and the others are told which."""

import fcntl
import os
import time
from typing import TextIO

from normfree.config import UserError

BUSY = "busy"
"""What a sweep's worker says instead of a status of a run that another process trains."""

_ORPHAN_SECONDS = 6.0
"""How long what a killed process has started (ranks, data workers) may hold the lock that it inherited."""


class Busy(UserError):
    """Another process trains the run."""


def acquire(file: TextIO, run: str) -> None:
    """Lock the file that says which process trains a run; the lock goes with the process, however it ends.

    Raises:
        Busy: another process holds it.
    """
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip()
            if time.monotonic() < deadline and not _is_running(owner):
                time.sleep(0.05)
                continue
            raise Busy(
                f"run {run}: process {owner or 'unknown'} is training it now; wait for it to end, "
                "or change something such as seed=1"
            ) from error


def _is_running(process: str) -> bool:
    """False too for the owner of a lock that has not written its id yet."""
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
