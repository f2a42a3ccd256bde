"""Gradient clipping once per optimizer step, on full gradients: after all-reduce and unscaling."""

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from normfree.clip import (
    PUBLISHED_EPS,
    ClipStatistics,
    NormStatistics,
    clip_grad_agc_,
    clip_grad_norm_,
    floors,
    gradient_norm,
    watched,
)
from normfree.config.schema import ClipConfig
from normfree.lightning.network import network_of
from normfree.lightning.refusals import refuse_clipped_twice, refuse_fused, refuse_sharded
from normfree.train.clip_telemetry import ClipTelemetry
from normfree.train.clipped import parameters_to_clip
from normfree.train.instantiate import Clipper, clipper_of


class GradientClipping(pl.Callback):
    """Applies ``clip=`` and keeps what it did in ``statistics`` (device tensors, ``None`` before the first step).

    With ``clip=none`` it measures the gradient's norm alone. Clips the parameters of ``module.network`` if there is
    such a thing, else of the whole module.

    Args:
        telemetry: records what AGC did, layer by layer, at some steps.

    Raises:
        UserError: when training starts, for what would clip twice, clip scaled gradients or clip pieces of them.
    """

    def __init__(self, clip: ClipConfig, telemetry: ClipTelemetry | None = None) -> None:
        self.clip = clip
        self.statistics: ClipStatistics | None = None
        self._telemetry = telemetry
        self._clipped: list[Tensor] = []
        self._floors: float | list[float] = PUBLISHED_EPS
        self._custom: Clipper | None = clipper_of(clip) if clip.name == "custom" else None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.clip.name == "none":
            return
        what = f"clip={self.clip.name}"
        refuse_sharded(trainer, what, "clip=none")
        refuse_clipped_twice(trainer, what)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clipped = parameters_to_clip(network_of(pl_module), self.clip)
        if self.clip.name == "agc":
            assert self.clip.eps is not None, "config.validate sees to it"
            scope = self.clip.eps_scope or "all"
            self._floors = floors(network_of(pl_module), self._clipped, self.clip.eps, scope)
        if self.clip.name != "none":
            refuse_fused(trainer, f"clip={self.clip.name}")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._telemetry is not None:
            self._telemetry.start(trainer.global_step)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        parameters = self._clipped
        if self.clip.name == "none":
            norm = gradient_norm(parameters)
            nothing = torch.zeros((), dtype=torch.int64, device=norm.device)
            self.statistics = NormStatistics(norm, norm, 1, nothing, norm.isfinite().logical_not())
        elif self.clip.name == "norm":
            assert self.clip.max_norm
            self.statistics = clip_grad_norm_(parameters, self.clip.max_norm)
        elif self._custom is not None:
            self.statistics = watched(self._custom, parameters)
        else:
            unit, factor = self.clip.unit, self.clip.clip_factor
            assert unit is not None, "config.validate sees to it"
            assert factor is not None
            self.statistics = clip_grad_agc_(parameters, factor, self._floors, unit)
            if self._telemetry is not None:
                self._telemetry.record(trainer.global_step + 1, network_of(pl_module), parameters, self.statistics)
