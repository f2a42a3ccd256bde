"""Weights & Biases beside metrics.csv: a logger that a run never waits for and never fails from."""

import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from normfree.config import Resolved
from normfree.config.parts import LOGGER
from normfree.runs import RunDirectory, run_id
from normfree.runs.checksums import read_text_verified, write_verified
from normfree.runs.offline import offline_folder
from normfree.train.record.metrics import Row
from normfree.train.record.own_tracker import OwnTracker
from normfree.train.record.tracker import Tracker
from normfree.train.record.wandb_content import (
    LONGEST_NAME,
    cut,
    description,
    exit_code,
    rows_before,
    summary,
    tags,
    tell_cuts,
)

_START_SHARE = 0.7
"""Of the seconds that a server may cost; what is left is for the end."""
_LEAVE_SECONDS = 0.5


class WandbTracker(Tracker):
    """One W&B run for one run directory; its first failure is told once and ends the tracking, not the run.

    A server that does not answer costs ``logger.timeout`` seconds at most, from the start to the end of the process.
    """

    def __init__(self, resolved: Resolved, directory: RunDirectory) -> None:
        self._run: Any = None
        self._logger = resolved.config.logger
        self._metrics, self._clip = directory.metrics, directory.path / "clip.csv"
        self._status = "failed"  # unless it is said to have ended otherwise
        self._behind = False
        self._left = resolved.config.logger.timeout - _LEAVE_SECONDS
        began = time.monotonic()
        try:
            self._behind = offline_folder(directory.path) is not None
            self._run = _start(resolved, directory)
        except Exception as error:
            self._give_up(error)
        self._left -= time.monotonic() - began

    def write(self, row: Row) -> None:
        if self._run is not None:
            try:
                if self._behind:
                    self._catch_up(row["step"] or 0)
                self._log(row)
            except Exception as error:
                self._give_up(error)

    def _log(self, row: Row) -> None:
        self._run.log({key: value for key, value in row.items() if value is not None}, step=int(row["step"] or 0))

    def _catch_up(self, step: float) -> None:
        """What earlier starts of an offline run logged lies in their folders; the newest holds all of it."""
        self._behind = False
        if self._logger.mode == "offline":
            for row in rows_before(step, self._metrics, self._clip):
                self._log(row)

    def image(self, key: str, path: Path) -> None:
        if self._run is not None:
            try:
                import wandb

                self._run.log({key: wandb.Image(str(path))})
            except Exception as error:
                self._give_up(error)

    def finish(self, facts: dict[str, Any]) -> None:
        self._status = facts["status"]
        if self._run is not None:
            try:
                self._run.summary.update(summary(facts))
                self._run.tags = tags(self._logger.tags, self._status)
                if self._status == "preempted":
                    self._run.mark_preempting()
            except Exception as error:
                self._give_up(error)

    def close(self) -> None:
        if self._run is not None:
            run, code = self._run, exit_code(self._status)
            try:
                _within(max(self._left, 1.0), lambda: run.finish(exit_code=code))
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
        job_type="train",
        dir=str(directory.path),
        id=identifier,
        resume="allow" if config.logger.mode == "online" else None,
        mode="offline" if config.logger.mode == "offline" else "online",
        name=cut(run_id(resolved), LONGEST_NAME),
        group=cut(config.experiment.name, LONGEST_NAME),
        tags=tags(config.logger.tags) or None,
        config=description(resolved),
        settings=wandb.Settings(init_timeout=_START_SHARE * config.logger.timeout, silent=True, console="off"),
    )


@contextmanager
def open_tracker(resolved: Resolved, directory: RunDirectory) -> Iterator[Tracker]:
    """The tracker that ``logger=`` asks for; closed however the run ends.

    That W&B is installed is asked before, in `normfree.train.preflight`.
    """
    tracker = Tracker()
    if resolved.config.logger.name == "wandb":
        tell_cuts(resolved)
        tracker = WandbTracker(resolved, directory)
    elif LOGGER.is_custom(resolved.config):
        tracker = OwnTracker(resolved.config.logger, directory.path)
    try:
        yield tracker
    except BaseException as error:
        tracker.finish({"status": "failed", "reason": f"{type(error).__name__}: {error}".splitlines()[0]})
        raise
    finally:
        tracker.close()
