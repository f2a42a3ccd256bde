"""The rows of ``metrics.csv``, written while a run trains."""

import math
from typing import Any

import pytorch_lightning as pl
import torch

from normfree.clip import ClipStatistics, NormStatistics
from normfree.config import Resolved
from normfree.nets import skip_gains
from normfree.train.callbacks.best import BestWeights
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.callbacks.clock import TrainingClock
from normfree.train.callbacks.loss_watch import LossWatch
from normfree.train.loader import RunBatches
from normfree.train.module import Classifier
from normfree.train.record.metrics import MetricsFile, Progress


class Recorder(pl.Callback):
    """Writes a row every ``trainer.log_every`` steps, at every evaluation, and after the last step.

    Args:
        clipping: its statistics are recorded.
        watch: has the losses of the steps since the last row, and says which step is the last.
        best: evaluates where that is due; its numbers join the row.
        metrics: the file.
        batches: knows how long training has waited for them.
        clock: begins anew with every row.
        progress: told step, loss, accuracy, lr and images per second at each row.

    Attributes:
        train_seconds, steps_timed: time between the start and the last row without evaluations, and its steps.
        wait_seconds: the part of it in which training waited for data.
    """

    def __init__(
        self,
        resolved: Resolved,
        clipping: GradientClipping,
        watch: LossWatch,
        best: BestWeights,
        metrics: MetricsFile,
        batches: RunBatches,
        clock: TrainingClock,
        progress: Progress,
    ) -> None:
        self._resolved = resolved
        self._clipping = clipping
        self._watch = watch
        self._best = best
        self._metrics = metrics
        self._batches = batches
        self._clock = clock
        self._progress = progress
        self.train_seconds = 0.0
        self.steps_timed = 0
        self.wait_seconds = 0.0
        self._lr = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clock.start()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        self._lr = float(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, Classifier)
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0 and self._due(trainer.global_step):
            self._write(trainer, pl_module)

    def _due(self, step: int) -> bool:
        every = self._resolved.config.trainer.log_every
        return step % every == 0 or step == self._resolved.steps or self._best.due(step) or self._watch.last

    def _write(self, trainer: pl.Trainer, module: Classifier) -> None:
        losses, accuracy = self._watch.taken()
        step, seconds = trainer.global_step, self._clock.seconds
        self.train_seconds += seconds
        self.wait_seconds = self._batches.waited
        self.steps_timed += len(losses)
        row = {
            "step": step,
            "epoch": step / self._resolved.steps_per_epoch,
            "lr": self._lr,
            "train/loss": sum(losses) / len(losses),
            "train/accuracy": accuracy,
            "images_per_second": self._resolved.config.batch * len(losses) / max(seconds, 1e-9),
            **self._gradient_columns(),
            "skip_gain/mean_abs": mean_abs_skip_gain(module),
            **self._best.evaluated(trainer),
        }
        self._metrics.write(row)
        self._progress({key: value for key, value in row.items() if value is not None})
        if self._watch.over:
            trainer.should_stop = True
        self._clock.start()

    def _gradient_columns(self) -> dict[str, float | None]:
        statistics = self._clipping.statistics
        assert statistics is not None
        share = float(statistics.clipped_units) / max(1, int(statistics.units))
        return {
            "grad/norm_before": float(statistics.norm_before),
            "grad/norm_after": float(statistics.norm_after),
            "clip/clipped_share": None if self._clipping.clip.name == "none" else share,
            "clip/limit": _limit(statistics),
        }


def _limit(statistics: ClipStatistics) -> float | None:
    """The largest norm that the step was allowed; ``None`` where it is the same for all, or each unit has its own."""
    limit = statistics.limit if isinstance(statistics, NormStatistics) else None
    return None if limit is None or not math.isfinite(value := float(limit)) else value


def mean_abs_skip_gain(module: Classifier) -> float | None:
    """Mean of |skip gain| over the blocks; ``None`` for a network that has none."""
    gains = skip_gains(module.network)
    return float(torch.stack([gain.detach().abs() for gain in gains]).mean()) if gains else None
