"""The LightningModule: a network, its loss, its optimizer and the moving average of its weights."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import Resolved
from normfree.nets import sample_noise
from normfree.optim import ExponentialMovingAverage, SharpnessAware, ascent_samples, warmup_cosine
from normfree.runs.heartbeat import beat
from normfree.train.loader import MicroBatch, Part
from normfree.train.parts.attack import Attack
from normfree.train.parts.optimizer import build_optimizer
from normfree.train.parts.private import PrivateSteps

EMA_KEY = "ema"
"""Where a checkpoint keeps the moving average: ``updates`` and ``weights``."""


class Classifier(pl.LightningModule):
    """Trains ``network`` on batches of images ``[N, C, H, W]``.

    Callbacks read ``last_loss`` and ``last_correct`` (scalars on the device) after each micro batch. With
    sharpness-aware minimization both are those of the second pass: the whole batch, at the weights uphill.
    What dropout and stochastic depth draw belongs to the images, not to how the batch is cut.
    ``ascent_samples`` of a batch are climbed with, 0 without it.
    ``compiled`` stands for the network's forward pass in training where the run is to be compiled.
    ``attack`` is set where images are attacked before they are trained on: then losses are of the attacked ones.
    ``private`` is set where steps are private.
    ``average`` is set by a callback where a moving average is kept, and saved with every checkpoint.
    """

    def __init__(self, resolved: Resolved, network: nn.Module) -> None:
        super().__init__()
        self.resolved = resolved
        self.network = network
        self.last_loss = torch.zeros(())
        self.last_correct = torch.zeros(())
        self.average: ExponentialMovingAverage | None = None
        self.compiled: Callable[[Tensor], Tensor] | None = None
        self.attack: Attack | None = None
        self.private: PrivateSteps | None = None
        settings = resolved.config.optimizer
        self._batch_index = self._step = 0
        self._sam: SharpnessAware | None = None
        self.ascent_samples = 0
        if settings.sam_rho is not None:
            self.ascent_samples = ascent_samples(resolved.config.batch, settings.sam_share)
            self._sam = SharpnessAware(network, settings.sam_rho, settings.sam_share)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[N, K]``."""
        logits: Tensor = self.network(images)
        return logits

    def transfer_batch_to_device(self, batch: MicroBatch, device: torch.device, dataloader_idx: int) -> MicroBatch:
        layout = torch.channels_last if self.resolved.config.trainer.channels_last else torch.contiguous_format

        def moved(part: Any) -> Any:
            images = part.images.to(device, non_blocking=True, memory_format=layout)
            return part._replace(images=images, labels=part.labels.to(device, non_blocking=True))

        there: MicroBatch = moved(batch)
        return there._replace(ascent=tuple(moved(part) for part in batch.ascent))

    def training_step(self, batch: MicroBatch, batch_index: int) -> Tensor:
        self._batch_index, self._step = batch_index, batch.step
        own = Part(batch.images, batch.labels, batch.first)
        if self._sam is not None and batch_index % self.trainer.accumulate_grad_batches == 0:
            losses = [partial(self._share_of_loss, part, batch.step) for part in batch.ascent]
            self._sam.ascend(*losses, total=_summed_over_ranks)
        if self.attack is not None:
            own = own._replace(images=self.attack.in_training(self.network, own, batch.step))
        if self.private is None:
            loss, logits = self._loss(own, batch.step)
        else:
            loss, logits = self.private.loss(self.network, own, batch.step)
        beat(alike=True)  # Backward waits for the other ranks.
        labels = batch.labels if batch.labels.ndim == 1 else batch.labels.argmax(1)
        self.last_loss = loss.detach()
        self.last_correct = (logits.detach().argmax(1) == labels).float().mean()
        return loss

    def _share_of_loss(self, part: Part, step: int) -> Tensor:
        """What the images of ``part`` add to the mean loss in the way uphill."""
        return self._loss(part, step, turn=1)[0] * (len(part.images) / self.ascent_samples)

    def _loss(self, part: Part, step: int, turn: int = 0) -> tuple[Tensor, Tensor]:
        images = part.images
        numbers = torch.arange(part.first, part.first + len(images), device=images.device)
        with sample_noise(self.resolved.config.seed, step, numbers, turn):
            logits = self(images) if self.compiled is None else self.compiled(images)
        logits = logits if images.dtype == torch.float64 else logits.float()
        smoothing = self.resolved.config.optimizer.label_smoothing
        return F.cross_entropy(logits, part.labels, label_smoothing=smoothing), logits

    def on_after_backward(self) -> None:
        if (self._batch_index + 1) % self.trainer.accumulate_grad_batches:
            return
        # The last micro batch of a step: clipping is to see the weights themselves.
        if self._sam is not None:
            self._sam.restore()
        if self.private is not None:
            self.private.add_noise(self.network, self._step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.average is not None:
            checkpoint[EMA_KEY] = self.average.state_dict()

    def configure_optimizers(self) -> Any:
        resolved, settings = self.resolved, self.resolved.config.optimizer
        optimizer = build_optimizer(resolved, self.network)
        final = (settings.final_lr or 0.0) / resolved.lr
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, resolved.steps, resolved.warmup_steps, final)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _summed_over_ranks(gradients: Sequence[Tensor]) -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        summed = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(summed)
        parts = torch.split(summed, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
