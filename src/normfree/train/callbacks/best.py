"""The evaluations on the validation split while a run trains, and the weights that were best in them."""

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from normfree.config import Resolved
from normfree.train.callbacks.checkpoint import Checkpoint
from normfree.train.examiner import Examiner


class BestWeights(pl.Callback):
    """Evaluates every ``trainer.evaluate_every`` steps when it is asked, and keeps ``best.ckpt``.

    Its methods are called on all ranks.

    Attributes:
        best: step and validation accuracy (of the moving average, where there is one) of the best evaluation so far,
            the first of equals; ``None`` before there is one, and without ``trainer.evaluate_every``.
    """

    def __init__(self, resolved: Resolved, examiner: Examiner, checkpoint: Checkpoint) -> None:
        self._every = resolved.config.trainer.evaluate_every
        self._steps = resolved.steps
        self._examiner = examiner
        self._checkpoint = checkpoint
        self.best: tuple[int, float] | None = None

    def state_dict(self) -> dict[str, Any]:
        return {} if self.best is None else {"best": list(self.best)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        step, accuracy = state_dict["best"]
        self.best = int(step), float(accuracy)

    def due(self, step: int) -> bool:
        """Whether this step has an evaluation; that of the last step is part of the run's end."""
        return self._every is not None and step % self._every == 0

    def evaluated(self, trainer: pl.Trainer) -> dict[str, float]:
        """Scores on the validation split, where they are due; the weights are kept if these are the best so far."""
        if not self.due(trainer.global_step) or trainer.global_step == self._steps:
            return {}
        scores = self._examiner.scores("validation")
        self.compare(trainer, scores)
        return scores

    def compare(self, trainer: pl.Trainer, scores: Mapping[str, float | None]) -> None:
        """Keep the weights as they are now if these are the best scores so far."""
        accuracy = scores.get("validation/ema_accuracy", scores.get("validation/accuracy"))
        if self._every is None or accuracy is None:
            return
        if math.isfinite(accuracy) and (self.best is None or accuracy > self.best[1]):
            self.best = trainer.global_step, accuracy
            self._checkpoint.keep(trainer, "best.ckpt")

    def columns(self) -> dict[str, float]:
        """For result.json."""
        if self.best is None:
            return {}
        return {"best/step": self.best[0], "best/validation_accuracy": self.best[1]}
