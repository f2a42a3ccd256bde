"""Which image comes when: a pure function of the seed and the position in the run."""

import torch
from torch import Tensor

_ORDER, _AUGMENTATION, _MIXING, SAMPLE, SPLIT, ERASING, CROP, RANDAUGMENT, SYNTHETIC = range(9)
"""What a stream is for."""


def generator(seed: int, purpose: int, number: int) -> torch.Generator:
    """A random stream of its own for each (seed, purpose, number)."""
    # Large odd constants keep the streams of neighbouring seeds and epochs apart.
    mixed = (seed * 0x9E3779B97F4A7C15 + purpose * 0xC2B2AE3D27D4EB4F + number * 0x165667B19E3779F9) % 2**63
    return torch.Generator().manual_seed(mixed)


def epoch_order(samples: int, seed: int, epoch: int) -> Tensor:
    """The permutation of one pass over the data, ``[samples]``."""
    return torch.randperm(samples, generator=generator(seed, _ORDER, epoch))


def augmentation_stream(seed: int, epoch: int) -> torch.Generator:
    """Random numbers for every image of an epoch, drawn in the order of the images, not of the batches."""
    return generator(seed, _AUGMENTATION, epoch)


def mixing_stream(seed: int, step: int) -> torch.Generator:
    """Random numbers for what mixes the images of the batch of one step."""
    return generator(seed, _MIXING, step)
