"""Gradient clipping once per optimizer step, on full gradients: after all-reduce and unscaling."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from normfree.clip import (
    ClipStatistics,
    NormStatistics,
    UnitStatistics,
    clip_grad_agc_,
    clip_grad_norm_,
)
from normfree.config import UserError
from normfree.config.schema import ClipConfig
from normfree.train.clip_telemetry import ClipTelemetry
from normfree.train.clipped import parameters_to_clip
from normfree.train.instantiate import Clipper, clipper_of

SHARDED = (FSDPStrategy, ModelParallelStrategy, DeepSpeedStrategy)


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
        self._custom: Clipper | None = clipper_of(clip) if clip.name == "custom" else None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.clip.name == "none":
            return
        if isinstance(trainer.strategy, SHARDED):
            raise UserError(
                f"clip={self.clip.name} and strategy={type(trainer.strategy).__name__}: each device has a piece of "
                "every gradient, and a norm needs all of it; use strategy=ddp, or clip=none"
            )
        if trainer.gradient_clip_val is not None:
            raise UserError(
                f"clip={self.clip.name} and trainer.gradient_clip_val={trainer.gradient_clip_val}: "
                "gradients would be clipped twice; leave gradient_clip_val unset"
            )

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clipped = parameters_to_clip(_network(pl_module), self.clip)
        if self.clip.name == "none":
            return
        fused = any(group.get("fused") for optimizer in trainer.optimizers for group in optimizer.param_groups)
        if fused and trainer.precision == "16-mixed":
            raise UserError(
                f"clip={self.clip.name}, precision=16-mixed and a fused optimizer: it unscales gradients after they "
                "were clipped; make the optimizer with fused=False, or use precision=bf16-mixed"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._telemetry is not None:
            self._telemetry.start(trainer.global_step)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        parameters = self._clipped
        if self.clip.name == "none":
            norm = _norm(parameters)
            nothing = torch.zeros((), dtype=torch.int64, device=norm.device)
            self.statistics = NormStatistics(norm, norm, 1, nothing, norm.isfinite().logical_not())
        elif self.clip.name == "norm":
            assert self.clip.max_norm
            self.statistics = clip_grad_norm_(parameters, self.clip.max_norm)
        elif self._custom is not None:
            self.statistics = _watched(self._custom, parameters)
        else:
            unit, factor, eps = self.clip.unit, self.clip.clip_factor, self.clip.eps
            assert unit is not None, "config.validate sees to it"
            assert factor is not None
            assert eps is not None
            self.statistics = clip_grad_agc_(parameters, factor, eps, unit)
            if self._telemetry is not None:
                self._telemetry.record(trainer.global_step + 1, _network(pl_module), parameters, self.statistics)


def _network(pl_module: pl.LightningModule) -> nn.Module:
    network = getattr(pl_module, "network", None)
    return network if isinstance(network, nn.Module) else pl_module


def _watched(clipper: Clipper, parameters: list[Tensor]) -> ClipStatistics:
    """What a user's clipper did: its own statistics, or the norms before and after."""
    before = _norm(parameters)
    answer: Any = clipper(parameters)
    if isinstance(answer, NormStatistics | UnitStatistics):
        return answer
    after = _norm(parameters)
    return NormStatistics(before, after, 1, (after < before).long(), before.isfinite().logical_not())


def _norm(parameters: list[Tensor]) -> Tensor:
    with torch.no_grad():
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        return get_total_norm(gradients) if gradients else torch.zeros(())
