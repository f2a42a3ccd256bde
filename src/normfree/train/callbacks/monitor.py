"""What a run writes down while it trains, and its stop when it has diverged or makes no progress."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor

from normfree.config import Resolved
from normfree.nets import skip_gains
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.loss_rule import LossRule
from normfree.train.module import Classifier
from normfree.train.ranks.recut import count_anew, own_part
from normfree.train.ranks.world import ALONE, World
from normfree.train.record.metrics import MetricsFile

T = TypeVar("T")
Progress = Callable[[dict[str, float]], None]
Evaluation = Callable[[], dict[str, float]]

_APART = 0x9E3779B97F4A7C15
"""Keeps the random streams of ranks apart from those of neighbouring seeds."""


class Monitor(pl.Callback):
    """Writes a row of metrics every ``trainer.log_every`` steps and watches the loss of every step.

    Losses stay on the device between rows, so that watching them costs no synchronisation. What is judged of them, and
    when, does not depend on the rows.

    Args:
        clipping: the callback whose statistics are recorded; it must come before this one.
        progress: told step, steps, loss, accuracy, lr and images per second at each row.
        evaluation: run every ``trainer.evaluate_every`` steps; its numbers join the row.
        waited: seconds that training has waited for data so far.
        world: rows have the means over its ranks.
        keep_best: called on all ranks when an evaluation is better than those before it.
        has_learned: asked on all ranks when the loss makes no progress: whether the network beats chance all the same.

    Attributes:
        train_seconds, steps_timed: time between the start and the last row without evaluations, and its steps.
        wait_seconds: the part of it in which training waited for data.
        best: step and validation accuracy (of the moving average, where there is one) of the best evaluation so far,
            the first of equals; ``None`` before there is one, and without ``trainer.evaluate_every``.
    """

    def __init__(
        self,
        resolved: Resolved,
        clipping: GradientClipping,
        metrics: MetricsFile,
        progress: Progress,
        evaluation: Evaluation,
        waited: Callable[[], float] = lambda: 0.0,
        world: World = ALONE,
        keep_best: Callable[[pl.Trainer], None] = lambda trainer: None,
        has_learned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._resolved = resolved
        self._clipping = clipping
        self._metrics = metrics
        self._progress = progress
        self._evaluation = evaluation
        self._waited = waited
        self._world = world
        guessing = math.log(resolved.config.data.classes)
        self.rule = LossRule(resolved.config.outcome, resolved.steps, resolved.warmup_steps, guessing)
        self.train_seconds = 0.0
        self.steps_timed = 0
        self.wait_seconds = 0.0
        self.best: tuple[int, float] | None = None
        self._keep_best = keep_best
        self._has_learned = has_learned
        self._unread: list[tuple[Tensor, Tensor]] = []
        self._steps_read = 0
        self._row_losses: list[float] = []
        self._row_correct: list[float] = []
        self._last_row = False
        self._lr = 0.0
        self._rng: Tensor | None = None
        self._accumulation = (1, 1)
        self._now = 1
        self._cuda_rng: list[Tensor] = []
        self._clock = 0.0

    def state_dict(self) -> dict[str, Any]:
        self._read()
        own = {
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "correct": self._row_correct,
        }
        state = {"rule": self.rule.state(), "steps_read": self._steps_read, "row_losses": self._row_losses}
        if self.best is not None:
            state["best"] = list(self.best)
        return state | (own if self._world.size == 1 else {"ranks": self._world.gather(own)})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rule.restore(state_dict["rule"])
        self._steps_read = int(state_dict["steps_read"])
        self._row_losses = list(state_dict["row_losses"])
        if "best" in state_dict:
            step, accuracy = state_dict["best"]
            self.best = int(step), float(accuracy)
        parts = state_dict.get("ranks", [state_dict])
        own = own_part(parts, self._world.number, self._world.size, *self._accumulation)
        self._rng = own["rng"]
        self._cuda_rng = own["cuda_rng"]
        self._row_correct = list(own["correct"])

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        now = trainer.accumulate_grad_batches
        self._accumulation = count_anew(checkpoint, now), now

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._rng is not None:
            torch.set_rng_state(self._rng)
            if len(self._cuda_rng) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all(self._cuda_rng)
        elif self._world.number > 0:
            # Rank 0 draws what one process would; the others' dropout and stochastic depth are streams of their own.
            torch.manual_seed((self._resolved.config.seed + self._world.number * _APART) % 2**63)
        self._now = trainer.accumulate_grad_batches
        self._clock = time.perf_counter()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        self._lr = float(optimizer.param_groups[0]["lr"])

    def diverged(self, reason: str) -> None:
        """This step is the last; its row is written whether one is due or not."""
        self.rule.reason = self.rule.reason or reason
        self._last_row = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, Classifier)
        self._unread.append((pl_module.last_loss, pl_module.last_correct))
        if len(self._unread) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        self._look(trainer, step)
        if self._row_due(step):
            self._write_row(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, step: int) -> None:
        """Stop after a step that showed a loss at that of guessing for long, where the accuracy is no better."""
        if not self.rule.looks(step) or self._last_row:
            return
        self._read()
        if self.rule.stuck(step) and not self._without_clock(self._has_learned):
            self.rule.stop(step)
            self._last_row = True

    def _without_clock(self, call: Callable[[], T]) -> T:
        """What is not training does not count as its time."""
        began = time.perf_counter()
        answer = call()
        self._clock += time.perf_counter() - began
        return answer

    def _row_due(self, step: int) -> bool:
        trainer = self._resolved.config.trainer
        every = trainer.evaluate_every
        due = step % trainer.log_every == 0 or step == self._resolved.steps or bool(every and step % every == 0)
        return due or self._last_row

    def _write_row(self, trainer: pl.Trainer, module: Classifier) -> None:
        self._read()
        losses, correct = self._row_losses, self._row_correct
        self._row_losses, self._row_correct = [], []
        (accuracy,) = self._world.mean([sum(correct) / len(correct)])
        step = trainer.global_step
        seconds = time.perf_counter() - self._clock
        self.train_seconds += seconds
        self.wait_seconds = self._waited()
        self.steps_timed += len(losses)
        batch = self._resolved.config.batch
        row = {
            "step": step,
            "epoch": step / self._resolved.steps_per_epoch,
            "lr": self._lr,
            "train/loss": sum(losses) / len(losses),
            "train/accuracy": accuracy,
            "images_per_second": batch * len(losses) / max(seconds, 1e-9),
            **self._gradient_columns(),
            "skip_gain/mean_abs": mean_abs_skip_gain(module),
        }
        every = self._resolved.config.trainer.evaluate_every
        if every and step % every == 0 and step != self._resolved.steps:
            scores = self._evaluation()
            row |= scores
            self.evaluated(trainer, scores)
        self._metrics.write(row)
        self._progress({key: value for key, value in row.items() if value is not None})
        if self.rule.reason or self.rule.stopped:
            trainer.should_stop = True
        self._clock = time.perf_counter()

    def _read(self) -> None:
        """Take the losses of the steps since the last time from the device, and show them to the rule."""
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        micro_losses = torch.stack([loss for loss, _ in unread]).double().tolist()
        self._row_correct += torch.stack([correct for _, correct in unread]).double().tolist()
        groups = range(0, len(unread), self._now)
        losses = self._world.mean([sum(micro_losses[i : i + self._now]) / self._now for i in groups])
        for loss in losses:
            self._steps_read += 1
            self.rule.update(self._steps_read, loss)
        self._row_losses += losses

    def evaluated(self, trainer: pl.Trainer, scores: Mapping[str, float | None]) -> None:
        """Keep the weights as they are now if these are the best scores so far."""
        accuracy = scores.get("validation/ema_accuracy", scores.get("validation/accuracy"))
        if self._resolved.config.trainer.evaluate_every is None or accuracy is None:
            return
        if math.isfinite(accuracy) and (self.best is None or accuracy > self.best[1]):
            self.best = trainer.global_step, accuracy
            self._keep_best(trainer)

    def _gradient_columns(self) -> dict[str, float | None]:
        statistics = self._clipping.statistics
        assert statistics is not None
        share = float(statistics.clipped_units) / max(1, int(statistics.units))
        return {
            "grad/norm_before": float(statistics.norm_before),
            "grad/norm_after": float(statistics.norm_after),
            "clip/clipped_share": None if self._clipping.clip.name == "none" else share,
        }


def mean_abs_skip_gain(module: Classifier) -> float | None:
    """Mean of |skip gain| over the blocks; ``None`` for a network that has none."""
    gains = skip_gains(module.network)
    return float(torch.stack([gain.detach().abs() for gain in gains]).mean()) if gains else None
