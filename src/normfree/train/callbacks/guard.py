"""The stop at the first loss or gradient that is not finite, before it reaches a weight."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from normfree.data import Batch
from normfree.probe.finite import Later, first_nonfinite_gradient, first_nonfinite_layer
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.callbacks.loss_watch import LossWatch
from normfree.train.module import Classifier
from normfree.train.ranks.world import ALONE, World

_NORMS = 3


class FiniteGuard(pl.Callback):
    """Ends a run whose loss or gradient is not finite as diverged, with the step, the layer and the last norms.

    A step is not taken then: its gradients are dropped. On a processor that is seen in the same step. A GPU is not
    waited for: what a step found is read in the next one, which then is not taken.

    Args:
        clipping: its statistics cover clip=none too.
        watch: told the reason, and that this step is the last.
        world: what one rank finds, all act on in the same step.
    """

    def __init__(self, clipping: GradientClipping, watch: LossWatch, world: World = ALONE) -> None:
        self._clipping = clipping
        self._watch = watch
        self._world = world
        self._norms: deque[Tensor] = deque(maxlen=_NORMS)
        self._batch: Batch | None = None
        self._later = Later()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        self._batch = batch

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        assert isinstance(pl_module, Classifier)
        statistics = self._clipping.statistics
        assert statistics is not None
        self._norms.append(statistics.norm_before)
        broken = pl_module.last_loss.isfinite().logical_not()
        # A gradient that overflows float16 is the gradient scaler's affair.
        if trainer.precision != "16-mixed":
            broken = broken.logical_or(statistics.nonfinite.to(broken.device))
        if not self._later.read(self._world.any_on_device(broken)):
            return
        self._watch.diverged(self._reason(trainer.global_step + 1, pl_module))
        for parameter in pl_module.parameters():
            parameter.grad = None

    def _reason(self, step: int, module: Classifier) -> str:
        *before, last = (f"{float(norm):.3g}" for norm in self._norms)
        first = step - len(before)
        assert self._batch is not None
        layer = first_nonfinite_layer(module.network, self._batch.images) or first_nonfinite_gradient(module.network)
        where = f"; first not finite: {layer}" if layer else ""
        norms = ", ".join(f"{norm} at step {number}" for number, norm in enumerate(before, first))
        earlier = f"; gradient norm before: {norms}" if norms else ""
        return f"training loss {float(module.last_loss):.4g}, gradient norm {last} at step {step}{where}{earlier}"
