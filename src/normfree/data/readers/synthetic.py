"""Noise in place of images, for measuring speed: it lies where the network is, and no file is read."""

import torch
from torch import Tensor

from normfree.config.schema import DataConfig
from normfree.data.order import SYNTHETIC, generator
from normfree.data.resident import Arrays
from normfree.data.source import SPLITS


def arrays(data: DataConfig) -> Arrays:
    """Uniform noise and uniform labels, the same for every run."""
    return {split: _noise(data, number, split) for number, split in enumerate(SPLITS)}


def _noise(data: DataConfig, number: int, split: str) -> tuple[Tensor, Tensor]:
    stream = generator(0, SYNTHETIC, number)
    count = getattr(data, f"{split}_samples")
    side = data.test_size if split == "test" else data.train_size
    images = torch.randint(0, 256, (count, data.channels, side, side), generator=stream, dtype=torch.uint8)
    return images, torch.randint(0, data.classes, (count,), generator=stream)
