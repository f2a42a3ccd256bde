"""logger=custom: a logger of the user's own beside metrics.csv, which where it fails costs a warning and no run."""

import warnings
from pathlib import Path
from typing import Any

from normfree.config import UserError
from normfree.config.instantiate import called, fitting, imported
from normfree.config.parts import LOGGER
from normfree.config.schema import LoggerConfig
from normfree.config.tracebacks import kept_traceback, one_line
from normfree.train.record.metrics import Row
from normfree.train.record.tracker import Tracker


def check_own_logger(logger: LoggerConfig) -> None:
    """Whether it can be called; it is made when the run has its directory.

    Raises:
        UserError: it cannot be imported, or does not take the arguments.
    """
    target = str(logger._target_)
    fitting(LOGGER, target, imported(LOGGER, target), logger.arguments or {}, (Path(),))


class OwnTracker(Tracker):
    """What ``target(folder, **arguments)`` gives, asked for as much of a `Tracker` as it has: ``write`` at least.

    Args:
        folder: the run's directory.

    Raises:
        UserError: it cannot be made, or has no ``write``.
    """

    def __init__(self, logger: LoggerConfig, folder: Path) -> None:
        self._target = str(logger._target_)
        code = imported(LOGGER, self._target)
        self._own: Any = called(LOGGER, self._target, code, logger.arguments or {}, (folder,))
        if not callable(getattr(self._own, "write", None)):
            raise UserError(f"{LOGGER.target}={self._target}: gives {type(self._own).__name__} without write(row)")

    def write(self, row: Row) -> None:
        self._tell("write", dict(row))

    def image(self, key: str, path: Path) -> None:
        self._tell("image", key, path)

    def finish(self, facts: dict[str, Any]) -> None:
        self._tell("finish", dict(facts))

    def close(self) -> None:
        self._tell("close")

    def _tell(self, method: str, *what: Any) -> None:
        call = getattr(self._own, method, None)
        if call is None:
            return
        try:
            call(*what)
        except (Exception, SystemExit) as error:
            self._own = None
            warnings.warn(
                f"logger=custom: {self._target} fails at {method} ({one_line(error)}); the run goes on with "
                f"metrics.csv alone{kept_traceback(error, self._target)}",
                stacklevel=3,
            )
