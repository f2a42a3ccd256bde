"""Which process works on a trial: a file that it holds a lock on as long as it lives.

The lock goes with the process, however it ends, so that another one takes up what a killed one has left.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from normfree.config import UserError
from normfree.host.files import where_to_write

FOLDER = ".trials"
"""In the folder of an experiment's runs."""
_PATIENCE_SECONDS = 60.0


class Owner(ExitStack):
    """``with Owner(folder) as owner: ...``: this process among those that work on a search.

    Args:
        folder: of the experiment's runs.

    Attributes:
        token: its name, which its trials bear.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.token = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._folder = folder / FOLDER

    def __enter__(self) -> "Owner":
        super().__enter__()
        path = self._folder / self.token
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self.enter_context(path.open("a"))
        except OSError as error:
            place = self._folder.parent
            raise UserError(
                f"runs_dir={place.parent}: cannot write in {place} ({error.strerror}); "
                f"{where_to_write(error, 'runs_dir')}"
            ) from error
        fcntl.flock(file, fcntl.LOCK_EX)
        self.callback(path.unlink, missing_ok=True)
        return self

    def is_alive(self, token: str) -> bool:
        """Whether a process, by its name, is there still; the file of one that is not is removed."""
        if token == self.token:
            return True
        path = self._folder / token
        try:
            with path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    @contextmanager
    def alone(self, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """While one process looks at the trials and adds one, the others wait.

        Raises:
            UserError: another process holds the lock for too long.
        """
        path = self._folder / "lock"
        deadline = time.monotonic() + patience
        with path.open("a+") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        file.seek(0)
                        owner = file.read().strip() or "unknown"
                        raise UserError(
                            f"{path}: process {owner} has held it for {patience:.0f} s; end that process, and start "
                            "the same command again"
                        ) from None
                    time.sleep(0.05)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
