"""Weights & Biases beside metrics.csv: a logger that a run never waits for and never fails from."""

import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, run_id
from normfree.runs.checksums import read_text_verified, write_verified
from normfree.train.metrics import Row

_START_SHARE = 0.7
"""Of the seconds that a server may cost; what is left is for the end."""
_LEAVE_SECONDS = 0.5


class Tracker:
    """Takes every row of metrics.csv; this one drops them."""

    def write(self, row: Row) -> None:
        """Record one row."""

    def image(self, key: str, path: Path) -> None:
        """Record a figure."""

    def finish(self, summary: dict[str, Any]) -> None:
        """Record the final numbers."""

    def close(self) -> None:
        """End the record, finished or not."""


class WandbTracker(Tracker):
    """One W&B run for one run directory; its first failure is told once and ends the tracking, not the run.

    A server that does not answer costs ``logger.timeout`` seconds at most, from the start to the end of the process.
    """

    def __init__(self, resolved: Resolved, directory: RunDirectory) -> None:
        self._run: Any = None
        self._left = resolved.config.logger.timeout - _LEAVE_SECONDS
        began = time.monotonic()
        try:
            self._run = _start(resolved, directory)
        except Exception as error:
            self._give_up(error)
        self._left -= time.monotonic() - began

    def write(self, row: Row) -> None:
        if self._run is not None:
            try:
                self._run.log(
                    {key: value for key, value in row.items() if value is not None},
                    step=int(row["step"] or 0),
                )
            except Exception as error:
                self._give_up(error)

    def image(self, key: str, path: Path) -> None:
        if self._run is not None:
            try:
                import wandb

                self._run.log({key: wandb.Image(str(path))})
            except Exception as error:
                self._give_up(error)

    def finish(self, summary: dict[str, Any]) -> None:
        if self._run is not None:
            try:
                self._run.summary.update(summary)
            except Exception as error:
                self._give_up(error)

    def close(self) -> None:
        if self._run is not None:
            try:
                _within(max(self._left, 1.0), self._run.finish)
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._run = None
        _leave()
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        warnings.warn(
            f"logger=wandb: W&B is not available ({reason}); the run goes on with metrics.csv alone. "
            "Try wandb login, or logger.mode=offline; wandb sync sends what was kept",
            stacklevel=3,
        )


def _within(seconds: float, call: Callable[[], object]) -> None:
    """Waits for ``call``, which goes on in a thread of its own where it takes longer.

    Raises:
        TimeoutError: it took longer; otherwise what it raised.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="wandb", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if raised:
        raise raised[0]


def _leave() -> None:
    """Part with W&B's service process, which would hold up the end of this one until its server answers."""
    import wandb

    with suppress(Exception):
        _within(_LEAVE_SECONDS, wandb.teardown)


def _start(resolved: Resolved, directory: RunDirectory) -> Any:
    import wandb

    config = resolved.config
    known = directory.wandb_id.exists()
    identifier = read_text_verified(directory.wandb_id).strip() if known else secrets.token_hex(4)
    if not known:
        write_verified(directory.path, {directory.wandb_id.name: identifier})
    if config.logger.mode == "online" and not (os.environ.get("WANDB_API_KEY") or wandb.api.api_key):
        raise RuntimeError("no API key")
    return wandb.init(
        project=config.logger.project,
        dir=str(directory.path),
        id=identifier,
        resume="allow" if config.logger.mode == "online" else None,
        mode="offline" if config.logger.mode == "offline" else "online",
        name=run_id(resolved),
        group=config.experiment.name,
        tags=list(config.logger.tags) or None,
        config=asdict(config),
        settings=wandb.Settings(init_timeout=_START_SHARE * config.logger.timeout, silent=True, console="off"),
    )


@contextmanager
def open_tracker(resolved: Resolved, directory: RunDirectory) -> Iterator[Tracker]:
    """The tracker that ``logger=`` asks for; closed however the run ends.

    Raises:
        UserError: if W&B is asked for and the package is missing.
    """
    tracker = Tracker()
    if resolved.config.logger.name == "wandb":
        try:
            import wandb  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError("logger=wandb: the package wandb is not installed; install normfree[wandb]") from error
        tracker = WandbTracker(resolved, directory)
    try:
        yield tracker
    finally:
        tracker.close()
