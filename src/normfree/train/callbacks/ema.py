"""The moving average of the weights, one update an optimizer step."""

from typing import Any

import pytorch_lightning as pl

from normfree.optim import ExponentialMovingAverage
from normfree.train.module import EMA_KEY, Classifier


class MovingAverage(pl.Callback):
    """Keeps ``Classifier.average``, which evaluation and checkpoints use.

    Args:
        decay: what the decay is warmed up to, in [0, 1).
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._restored: dict[str, Any] | None = None

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._restored = checkpoint[EMA_KEY]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Only here is the network on its device and in its precision.
        assert isinstance(pl_module, Classifier)
        pl_module.average = ExponentialMovingAverage(pl_module.network, self._decay)
        if self._restored is not None:
            pl_module.average.load_state_dict(self._restored)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            pl_module.average.update(pl_module.network)
