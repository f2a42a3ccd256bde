"""The loss of every step, and the stop of a run that has diverged or makes no progress."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from normfree.config import Resolved
from normfree.train.callbacks.clock import TrainingClock
from normfree.train.chance import against_chance
from normfree.train.examiner import Examiner
from normfree.train.loss_rule import LossRule
from normfree.train.module import Classifier
from normfree.train.outcome import has_learned
from normfree.train.ranks.recut import correct_of, count_anew
from normfree.train.ranks.world import ALONE, World


class LossWatch(pl.Callback):
    """Shows the loss of every step to the rule, and says when a step is the last one.

    Losses stay on the device until somebody asks for them, so that watching them costs no synchronisation. What is
    judged of them, and when, does not depend on the rows of metrics.csv.

    Args:
        examiner: asked on all ranks when the loss makes no progress: whether the network beats chance all the same.
        clock: stands still meanwhile.
        world: a loss is the mean over its ranks.

    Attributes:
        rule: what the losses tell.
        last: this step is the last; its row is written whether one is due or not.
    """

    def __init__(self, resolved: Resolved, examiner: Examiner, clock: TrainingClock, world: World = ALONE) -> None:
        self._settings = resolved.config.outcome
        self._examiner = examiner
        self._clock = clock
        self._world = world
        guessing = math.log(resolved.config.data.classes)
        self.rule = LossRule(self._settings, resolved.steps, resolved.warmup_steps, guessing)
        self.last = False
        self._unread: list[tuple[Tensor, Tensor]] = []
        self._steps_read = 0
        self._losses: list[float] = []
        self._correct: list[float] = []
        self._accumulation = (1, 1)
        self._now = 1

    @property
    def over(self) -> bool:
        """Whether what is known so far ends the run."""
        return bool(self.rule.reason or self.rule.stopped)

    def state_dict(self) -> dict[str, Any]:
        self._read()
        state = {"rule": self.rule.state(), "steps_read": self._steps_read, "row_losses": self._losses}
        return state | {"correct": self._world.gather(self._correct)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rule.restore(state_dict["rule"])
        self._steps_read = int(state_dict["steps_read"])
        self._losses = list(state_dict["row_losses"])
        self._correct = correct_of(state_dict["correct"], self._world.number, self._world.size, *self._accumulation)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        now = trainer.accumulate_grad_batches
        self._accumulation = count_anew(checkpoint, now), now

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._now = trainer.accumulate_grad_batches

    def diverged(self, reason: str) -> None:
        """This step is the last."""
        self.rule.reason = self.rule.reason or reason
        self.last = True

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, Classifier)
        self._unread.append((pl_module.last_loss, pl_module.last_correct))
        if not len(self._unread) % self._now:
            self._look(trainer.global_step)

    def _look(self, step: int) -> None:
        """Stop after a step that showed a loss at that of guessing for long, where the accuracy is no better."""
        if not self.rule.looks(step) or self.last:
            return
        self._read()
        if self.rule.stuck(step) and not self._has_learned():
            self.rule.stop(step)
            self.last = True

    def _has_learned(self) -> bool:
        with self._clock.standing_still():
            return has_learned(self.rule, against_chance(self._settings, self._examiner.trained))

    def taken(self) -> tuple[list[float], float]:
        """Losses of the steps since this was asked last, and the mean accuracy on their images."""
        self._read()
        losses, correct = self._losses, self._correct
        self._losses, self._correct = [], []
        (accuracy,) = self._world.mean([sum(correct) / len(correct)])
        return losses, accuracy

    def _read(self) -> None:
        """Take the losses of the steps since the last time from the device, and show them to the rule."""
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        micro_losses = torch.stack([loss for loss, _ in unread]).double().tolist()
        self._correct += torch.stack([correct for _, correct in unread]).double().tolist()
        groups = range(0, len(unread), self._now)
        losses = self._world.mean([sum(micro_losses[i : i + self._now]) / self._now for i in groups])
        for loss in losses:
            self._steps_read += 1
            self.rule.update(self._steps_read, loss)
        self._losses += losses
