"""Gradient clipping once per optimizer step, on full gradients: after all-reduce and unscaling."""

from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer

from normfree.clip import ClipStatistics, clip_grad_agc_, clip_grad_norm_, clipped_parameters
from normfree.config import UserError
from normfree.config.schema import ClipConfig
from normfree.train.module import Classifier


class GradientClipping(pl.Callback):
    """Applies ``clip=`` and keeps what it did in ``statistics`` (device tensors, ``None`` before the first step)."""

    def __init__(self, clip: ClipConfig) -> None:
        self.clip = clip
        self.statistics: ClipStatistics | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.clip.name != "none" and trainer.gradient_clip_val is not None:
            raise UserError(
                f"clip={self.clip.name} and trainer.gradient_clip_val={trainer.gradient_clip_val}: "
                "gradients would be clipped twice; leave gradient_clip_val unset"
            )

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: Optimizer) -> None:
        assert isinstance(pl_module, Classifier)
        network = pl_module.network
        if self.clip.name == "agc":
            scope, unit, factor, eps = self.clip.scope, self.clip.unit, self.clip.clip_factor, self.clip.eps
            assert None not in (scope, unit, factor, eps), "config.validate sees to it"
            self.statistics = clip_grad_agc_(clipped_parameters(network, scope), factor, eps, unit)  # type: ignore[arg-type]
        elif self.clip.name == "norm":
            assert self.clip.max_norm
            self.statistics = clip_grad_norm_(network.parameters(), self.clip.max_norm)
