"""The stop of anyone's training at the first number that is not finite."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from normfree.clip import gradient_norm
from normfree.lightning.base import Callback
from normfree.probe.finite import Later, first_nonfinite_gradient


class Divergence(Callback):
    """Ends training at the first loss or gradient that is not finite, before it reaches a weight, and says why.

    The step is not taken: its gradients are dropped. On a processor that is seen in the same step. A GPU is not waited
    for: what a step found is read in the next one, which then is not taken. With float16 the loss alone counts, as
    gradients that overflow are the gradient scaler's affair. On several devices the gradients alone count, which are
    the same on all of them: a loss that is not finite on one makes them so.

    Attributes:
        reason: why training was ended, with the step and where the number was met; empty if it was not.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._loss: Tensor | None = None
        self._broken: Tensor | None = None
        self._later = Later()

    @property
    def diverged(self) -> bool:
        """Whether this callback has ended training."""
        return bool(self.reason)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.reason, self._loss, self._broken, self._later = "", None, None, Later()

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        self._loss = loss.detach()
        broken = self._loss.isfinite().all().logical_not()
        self._broken = broken if self._broken is None else self._broken.logical_or(broken)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = gradient_norm(parameters)
        broken = norm.isfinite().logical_not()
        own, self._broken = self._broken, None
        if trainer.precision == "16-mixed":
            broken = torch.zeros_like(broken) if own is None else own
        elif own is not None and trainer.world_size == 1:
            broken = broken.logical_or(own.to(broken.device))
        if not self._later.read(broken):
            return
        self._stop(trainer, self._told(trainer, pl_module, norm))
        for parameter in parameters:
            parameter.grad = None

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if not self.reason and self._later.last():
            self._stop(trainer, f"a loss or gradient is not finite at step {trainer.global_step}")

    def _stop(self, trainer: Any, reason: str) -> None:
        self.reason = self.reason or reason
        trainer.should_stop = True
        if trainer.is_global_zero:
            warnings.warn(f"training has diverged: {self.reason}", stacklevel=2)

    def _told(self, trainer: Any, pl_module: Any, norm: Tensor) -> str:
        loss = "" if self._loss is None else f"loss {float(self._loss.sum()) * trainer.accumulate_grad_batches:.4g}, "
        where = first_nonfinite_gradient(pl_module)
        return f"{loss}gradient norm {float(norm):.3g} at step {trainer.global_step + 1}" + (
            f"; first not finite: {where}" if where else ""
        )
