"""What every form of training k runs is given: one network, one recipe, k seeds and learning rates."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.nets import create_model

CLASSES = 10
MOMENTUM, WEIGHT_DECAY, LABEL_SMOOTHING = 0.9, 2e-5, 0.1
EPS = 0.1
"""The recipe of small networks on natural images, conf/data_recipe/small_images.yaml."""
PRECISIONS = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}
"""The type of the weights; bf16 is autocast."""


@dataclass(frozen=True)
class Recipe:
    """In what runs of one job differ.

    Attributes:
        clip_factor: of AGC; None for no clipping.
    """

    seed: int
    lr: float
    clip_factor: float | None


@dataclass(frozen=True)
class Job:
    """The runs that are trained at once, on images that stay the same.

    Attributes:
        size: side in pixels.
        batch: images of a step of one run.
        layout: memory format of convolutions, ``nchw`` or ``nhwc``.
    """

    model: str
    size: int
    batch: int
    precision: str
    layout: str
    device: str
    recipes: tuple[Recipe, ...]

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "nhwc" else torch.contiguous_format

    @property
    def dtype(self) -> torch.dtype:
        return PRECISIONS[self.precision]

    def autocast(self) -> AbstractContextManager[Any]:
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def networks(self) -> list[nn.Module]:
        """A fresh network for each run, by its seed, in training mode."""
        return [network_of(self, recipe) for recipe in self.recipes]

    def images(self) -> tuple[Tensor, Tensor]:
        """Images ``[k, N, 3, H, W]`` and labels ``[k, N]``, by the seeds of the runs."""
        drawn = [images_of(self, recipe) for recipe in self.recipes]
        return torch.stack([images for images, _ in drawn]), torch.stack([labels for _, labels in drawn])


def network_of(job: Job, recipe: Recipe) -> nn.Module:
    """The fresh network of one run, in training mode."""
    torch.manual_seed(recipe.seed)
    network = create_model(job.model, num_classes=CLASSES).train()
    placed: nn.Module = network.to(job.device, job.dtype, memory_format=job.memory_format)  # type: ignore[call-overload]
    return placed


def images_of(job: Job, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Images ``[N, 3, H, W]`` and labels ``[N]`` of one run."""
    stream = torch.Generator().manual_seed(1000 + recipe.seed)
    images = torch.randn(job.batch, 3, job.size, job.size, generator=stream)
    labels = torch.randint(0, CLASSES, (job.batch,), generator=stream)
    return images.to(job.device, job.dtype), labels.to(job.device)


def losses_of(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of every run, ``[k]``, from logits ``[k, N, classes]`` and labels ``[k, N]``."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=LABEL_SMOOTHING, reduction="none")
    return each.view(labels.shape).mean(1)
