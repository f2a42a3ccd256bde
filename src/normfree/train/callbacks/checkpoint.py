"""Checkpoints at step boundaries: every few minutes, and when the run is asked to stop."""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from normfree.host.files import flush
from normfree.nets.weights.seal import check_seal, write_sealed
from normfree.runs.heartbeat import beat
from normfree.runs.rows import RowFile
from normfree.train.ranks.world import ALONE, World
from normfree.train.resume import ORIGIN, ROWS, in_todays_words
from normfree.train.stopping import StopRequest


class CheckpointFile(TorchCheckpointIO):
    """Writes where it is told to, with a checksum, and reads what has the right one.

    Lightning's own writes to the system's temporary folder and moves the file from there: a kill leaves it behind, and
    a checkpoint needs room on two disks.

    Args:
        origin: what a checkpoint says of the run that it is of.
    """

    def __init__(self, origin: Mapping[str, str]) -> None:
        super().__init__()
        self._origin = dict(origin)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        # Written to a file directly, torch turns a full disk into a RuntimeError.
        content = io.BytesIO()
        torch.save(checkpoint | {ORIGIN: self._origin}, content)
        beat()
        write_sealed(Path(path), content.getbuffer())
        beat()

    def load_checkpoint(self, path: str | Path, *arguments: Any, **options: Any) -> dict[str, Any]:
        check_seal(Path(path))
        return in_todays_words(super().load_checkpoint(path, *arguments, **options))


class Checkpoint(pl.Callback):
    """Keeps ``last.ckpt`` and the one before it; a new one replaces the old only when it is complete.

    Args:
        folder: where checkpoints are kept.
        minutes: time between two of them.
        stop: asked after every step; when set, the state is saved and training ends.
        world: a request to any rank is one to all; rank 0 alone looks at the clock and writes.
        records: the files of rows that go with a checkpoint; they are on the disk before it is.
        lost_rows: what is known to be missing from them.
    """

    def __init__(
        self,
        folder: Path,
        minutes: float,
        stop: StopRequest,
        world: World = ALONE,
        records: Sequence[RowFile] = (),
        lost_rows: str = "",
    ) -> None:
        self._folder = folder
        self._seconds = minutes * 60
        self._stop = stop
        self._world = world
        self._records = records
        self._lost_rows = lost_rows
        self._saved = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        marks = {file.path.name: file.mark() for file in self._records}
        checkpoint[ROWS] = {"marks": marks, "lost": self._lost_rows}

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
            self.resumable(trainer)

    def resumable(self, trainer: pl.Trainer) -> None:
        """Write the state of the run as ``last.ckpt``; a failure leaves the earlier checkpoints as they were."""
        last, previous = self._folder / "last.ckpt", self._folder / "previous.ckpt"

        def place(fresh: Path) -> None:
            if last.exists():
                last.replace(previous)
            fresh.replace(last)

        self._write(trainer, False, place)
        self._saved = time.monotonic()

    def keep(self, trainer: pl.Trainer, name: str) -> None:
        """Write the weights alone; the whole file appears under this name, or none."""
        self._write(trainer, True, lambda fresh: fresh.replace(self._folder / name))

    def _write(self, trainer: pl.Trainer, weights_only: bool, place: Callable[[Path], object]) -> None:
        fresh = self._folder / "new.ckpt"
        try:
            trainer.save_checkpoint(fresh, weights_only=weights_only)
            if self._world.leader:
                flush(fresh)
                place(fresh)
        finally:
            if self._world.leader:
                fresh.unlink(missing_ok=True)
