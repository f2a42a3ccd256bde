"""Checkpoints at step boundaries: every few minutes, and when the run is asked to stop."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from normfree.runs.files import flush
from normfree.train.stopping import StopRequest
from normfree.train.world import ALONE, World


class Checkpoint(pl.Callback):
    """Keeps ``last.ckpt`` and the one before it; a new one replaces the old only when it is complete.

    Args:
        folder: where checkpoints are kept.
        minutes: time between two of them.
        stop: asked after every step; when set, the state is saved and training ends.
        world: a request to any rank is one to all; rank 0 alone looks at the clock and writes.
    """

    def __init__(self, folder: Path, minutes: float, stop: StopRequest, world: World = ALONE) -> None:
        self._folder = folder
        self._seconds = minutes * 60
        self._stop = stop
        self._world = world
        self._saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning's own handler would end the process on SIGTERM without saving.
        if self._stop.signal is None:
            self._stop.listen()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        late = self._world.leader and time.monotonic() - self._saved >= self._seconds
        asked, due = self._world.highest([self._stop.code(), late])
        if asked:
            self._stop.join(asked)
            trainer.should_stop = True
        if asked or due:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write the state of the run; a failure leaves the earlier checkpoints as they were."""
        fresh, last, previous = (self._folder / f"{name}.ckpt" for name in ("new", "last", "previous"))
        try:
            trainer.save_checkpoint(fresh, weights_only=False)
            if self._world.leader:
                flush(fresh)
                if last.exists():
                    last.replace(previous)
                fresh.replace(last)
        finally:
            if self._world.leader:
                fresh.unlink(missing_ok=True)
        self._saved = time.monotonic()

    def discard(self) -> None:
        """Remove the checkpoints of a run that has its result."""
        if not self._world.leader:
            return
        for name in ("new", "last", "previous"):
            (self._folder / f"{name}.ckpt").unlink(missing_ok=True)
