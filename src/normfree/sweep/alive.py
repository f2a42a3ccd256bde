"""A sign that a sweep is there from its planning on, when nothing of it lies where its runs will be.

An empty file of this user's own state, named after the folder, on which the sweep holds a lock.
"""

import fcntl
import hashlib
from contextlib import ExitStack, suppress
from pathlib import Path

from normfree.config.tracebacks import state_folder


class Alive(ExitStack):
    """``with Alive() as alive: ...; alive.shown_in(folder)``; leaving it takes the sign away."""

    _shown = False

    def shown_in(self, folder: Path) -> None:
        """Show it for a folder of runs, unless it is; where it cannot be, nobody is told."""
        if self._shown:
            return
        self._shown = True
        path = _sign(folder)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = self.enter_context(path.open("a"))
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two sweeps may work beside each other
            self.callback(path.unlink, missing_ok=True)


def is_alive(folder: Path) -> bool:
    """Whether a sweep of this user on this machine plans runs for a folder, or trains them."""
    try:
        with _sign(folder).open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _sign(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return state_folder() / "sweeps" / name
