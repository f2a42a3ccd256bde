"""The LightningModule: a network, its loss, its optimizer and the moving average of its weights."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import OPTIMIZER_KEYS, Resolved
from normfree.data import Batch
from normfree.optim import (
    ExponentialMovingAverage,
    SharpnessAware,
    build_adamw,
    build_lamb,
    build_lion,
    build_sgd,
    warmup_cosine,
)

EMA_KEY = "ema"
"""Where a checkpoint keeps the moving average: ``updates`` and ``weights``."""

_BUILDERS = {"sgd": build_sgd, "adamw": build_adamw, "lamb": build_lamb, "lion": build_lion}
_FUSED = ("sgd", "adamw")


class Classifier(pl.LightningModule):
    """Trains ``network`` on batches of images ``[N, C, H, W]``.

    Callbacks read ``last_loss`` and ``last_correct`` (scalars on the device) after each micro batch. With
    sharpness-aware minimization both are those of the second pass: the whole batch, at the weights uphill.
    ``average`` is set by a callback where a moving average is kept, and saved with every checkpoint.
    """

    def __init__(self, resolved: Resolved, network: nn.Module) -> None:
        super().__init__()
        self.resolved = resolved
        self.network = network
        self.last_loss = torch.zeros(())
        self.last_correct = torch.zeros(())
        self.average: ExponentialMovingAverage | None = None
        settings = resolved.config.optimizer
        self._sam: SharpnessAware | None = None
        if settings.sam_rho is not None:
            self._sam = SharpnessAware(network, settings.sam_rho, settings.sam_share)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, K]``."""
        logits: Tensor = self.network(images)
        return logits

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        layout = torch.channels_last if self.resolved.config.trainer.channels_last else torch.contiguous_format
        images = batch.images.to(device, non_blocking=True, memory_format=layout)
        return Batch(images, batch.labels.to(device, non_blocking=True))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        if self._sam is not None:
            part = self._sam.part(len(batch.images))
            self._sam.ascend(lambda: self._loss(batch.images[:part], batch.labels[:part])[0])
        loss, logits = self._loss(batch.images, batch.labels)
        labels = batch.labels if batch.labels.ndim == 1 else batch.labels.argmax(1)
        self.last_loss = loss.detach()
        self.last_correct = (logits.detach().argmax(1) == labels).float().mean()
        return loss

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self(images).float() if images.dtype != torch.float64 else self(images)
        smoothing = self.resolved.config.optimizer.label_smoothing
        return F.cross_entropy(logits, labels, label_smoothing=smoothing), logits

    def on_after_backward(self) -> None:
        if self._sam is not None:
            self._sam.restore()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.average is not None:
            checkpoint[EMA_KEY] = self.average.state_dict()

    def configure_optimizers(self) -> Any:
        resolved, settings = self.resolved, self.resolved.config.optimizer
        options = {key: getattr(settings, key) for key in OPTIMIZER_KEYS[settings.name]}
        if options.get("momentum") == 0:
            options["nesterov"] = False  # it looks ahead along a momentum that there is not
        if settings.name in _FUSED:
            # A fused optimizer would unscale float16 gradients after they were clipped.
            options["fused"] = resolved.config.precision != "16-mixed"
        build: Any = _BUILDERS[settings.name]
        optimizer = build(self.network, resolved.lr, weight_decay=settings.weight_decay, **options)
        final = (settings.final_lr or 0.0) / resolved.lr
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, resolved.steps, resolved.warmup_steps, final)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
