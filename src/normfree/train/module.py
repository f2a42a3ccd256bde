"""The LightningModule: a network, its loss and its optimizer."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import Resolved
from normfree.data import Batch
from normfree.optim import build_sgd, warmup_cosine


class Classifier(pl.LightningModule):
    """Trains ``network`` on batches of images ``[N, C, H, W]``.

    Callbacks read ``last_loss`` and ``last_correct`` (scalars on the device) after each micro batch.
    """

    def __init__(self, resolved: Resolved, network: nn.Module) -> None:
        super().__init__()
        self.resolved = resolved
        self.network = network
        self.last_loss = torch.zeros(())
        self.last_correct = torch.zeros(())

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, K]``."""
        logits: Tensor = self.network(images)
        return logits

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        layout = torch.channels_last if self.resolved.config.trainer.channels_last else torch.contiguous_format
        images = batch.images.to(device, non_blocking=True, memory_format=layout)
        return Batch(images, batch.labels.to(device, non_blocking=True))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        logits = self(batch.images).float() if batch.images.dtype != torch.float64 else self(batch.images)
        smoothing = self.resolved.config.optimizer.label_smoothing
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
        labels = batch.labels if batch.labels.ndim == 1 else batch.labels.argmax(1)
        self.last_loss = loss.detach()
        self.last_correct = (logits.detach().argmax(1) == labels).float().mean()
        return loss

    def configure_optimizers(self) -> Any:
        settings = self.resolved.config.optimizer
        optimizer = build_sgd(
            self.network,
            lr=self.resolved.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.nesterov,
            # A fused optimizer would unscale float16 gradients after they were clipped.
            fused=self.resolved.config.precision != "16-mixed",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, self.resolved.steps, self.resolved.warmup_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
