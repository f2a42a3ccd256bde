"""Weights & Biases beside metrics.csv: a logger that a run never waits for and never fails from."""

import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, run_id
from normfree.runs.files import write_text_atomic
from normfree.train.metrics import Row


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
    """One W&B run for one run directory; its first failure is told once and ends the tracking, not the run."""

    def __init__(self, resolved: Resolved, directory: RunDirectory) -> None:
        self._run: Any = None
        self._timeout = resolved.config.logger.timeout
        try:
            self._run = _start(resolved, directory)
        except Exception as error:
            self._give_up(error)

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
                self._run.finish()
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._run = None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        warnings.warn(
            f"logger=wandb: W&B is not available ({reason}); the run goes on with metrics.csv alone. "
            "Try wandb login, or logger.mode=offline",
            stacklevel=3,
        )


def _start(resolved: Resolved, directory: RunDirectory) -> Any:
    import wandb

    config = resolved.config
    known = directory.wandb_id.exists()
    identifier = directory.wandb_id.read_text(encoding="utf-8").strip() if known else secrets.token_hex(4)
    if not known:
        write_text_atomic(directory.wandb_id, identifier)
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
        settings=wandb.Settings(init_timeout=config.logger.timeout, silent=True, console="off"),
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
