"""BatchNorm's running statistics where every rank has normalised by its own micro batch."""

from typing import Any

import pytorch_lightning as pl

from normfree.train.module import Classifier
from normfree.train.world import World


class AveragedStatistics(pl.Callback):
    """After each optimizer step all ranks go on with the mean of their running means and variances.

    So they move as those of ghost batches in one process do. It must come before what copies, saves or evaluates them.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(pl_module, Classifier)
        buffers = [buffer for buffer in pl_module.network.buffers() if buffer.is_floating_point()]
        if buffers and (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self._world.average_(buffers)
