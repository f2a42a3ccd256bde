"""BatchNorm's running statistics where a step's batch is cut over ranks and micro batches."""

from typing import Any, TypeGuard

import pytorch_lightning as pl
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from normfree.nets import ClassifierNetwork
from normfree.nets.batch_norm import sees_batch
from normfree.train.module import Classifier
from normfree.train.ranks.world import World


class RunningStatistics(pl.Callback):
    """Running means and variances move once an optimizer step, by the mean over its micro batches on all ranks.

    So they move as those of ghost batches in one process do. Of A micro batches the j-th (from 0) gets the momentum
    ``(m / A) / (1 - m + m (j + 1) / A)`` in the place of a layer's own m: after the last, each has entered with m / A
    and what was there before with 1 - m.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._own: dict[_BatchNorm, float] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        layers = [layer for layer in pl_module.modules() if _is_running(layer)]
        if _are_frozen(pl_module):
            for layer in layers:
                layer.train()  # Lightning warns of a layer that is not when training starts.
        self._own = {layer: layer.momentum for layer in layers if layer.momentum is not None}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if _are_frozen(pl_module):
            pl_module.network.train()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        parts = trainer.accumulate_grad_batches
        done = index % parts + 1
        if parts > 1:
            for layer, momentum in self._own.items():
                layer.momentum = momentum / parts / (1 - momentum + momentum * done / parts)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, Classifier)
        if self._world.size == 1 or _are_frozen(pl_module) or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        buffers = [buffer for buffer in pl_module.network.buffers() if buffer.is_floating_point()]
        if buffers:
            self._world.average_(buffers)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for layer, momentum in self._own.items():
            layer.momentum = momentum


def _is_running(layer: nn.Module) -> TypeGuard[_BatchNorm]:
    """BatchNorm, and what else has a running variance of batches and a momentum."""
    return sees_batch(layer)


def _are_frozen(module: pl.LightningModule) -> TypeGuard[Classifier]:
    return (
        isinstance(module, Classifier) and isinstance(module.network, ClassifierNetwork) and module.network.norm_frozen
    )
