"""Gradient clipping once per optimizer step, on full gradients: after all-reduce and unscaling."""

from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer

from normfree.clip import ClipStatistics, UnitStatistics
from normfree.config.schema import ClipConfig
from normfree.lightning.network import network_of
from normfree.lightning.refusals import refuse_clipped_twice, refuse_fused, refuse_sharded
from normfree.train.parts.clipped import NetworkClipping
from normfree.train.parts.instantiate import Clipper, clipper_of
from normfree.train.record.clip_telemetry import RECORDED, ClipTelemetry


class GradientClipping(pl.Callback):
    """Applies ``clip=`` and keeps what it did in ``statistics`` (device tensors, ``None`` before the first step).

    What a clipper knows of earlier steps is kept with a checkpoint: the same on all ranks, as gradients are.
    With ``clip=none`` it measures the gradient's norm alone. Clips the parameters of ``module.network`` if there is
    such a thing, else of the whole module.

    Args:
        telemetry: records what a clipper by units did, layer by layer, at some steps.

    Raises:
        UserError: when training starts, for what would clip twice, clip scaled gradients or clip pieces of them.
    """

    def __init__(self, clip: ClipConfig, telemetry: ClipTelemetry | None = None) -> None:
        self.clip = clip
        self.statistics: ClipStatistics | None = None
        self._telemetry = telemetry
        self._clip: NetworkClipping | None = None
        self._restored: dict[str, Any] | None = None
        self._custom: Clipper | None = clipper_of(clip) if clip.name == "custom" else None

    def state_dict(self) -> dict[str, Any]:
        made = None if self._clip is None else self._clip.made
        return {} if made is None else made.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self.clip.name == "none":
            return
        what = f"clip={self.clip.name}"
        refuse_sharded(trainer, what, "clip=none")
        refuse_clipped_twice(trainer, what)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._clip = NetworkClipping(network_of(pl_module), self.clip, self._custom)
        if self._restored is not None and self._clip.made is not None:
            self._clip.made.load_state_dict(self._restored)
        if self.clip.name != "none":
            refuse_fused(trainer, f"clip={self.clip.name}")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._telemetry is not None:
            self._telemetry.start(trainer.global_step)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        assert self._clip is not None, "on_fit_start"
        done = self.statistics = self._clip()
        if self._telemetry is not None and isinstance(done, UnitStatistics) and self.clip.name in RECORDED:
            self._telemetry.record(trainer.global_step + 1, network_of(pl_module), self._clip.parameters, done)
