"""Common corruptions of images at five strengths, made here; no file is needed.

Source: Hendrycks and Dietterich 2019 (arXiv 1903.12261), with the constants of their code: those of CIFAR-10-C (32 px)
for images below 85 px, halfway between in the ratio of sides, and those of ImageNet-C (224 px) for larger ones. Lengths
in pixels grow with the side. Of their fifteen frost is left out, which needs photographs of it.

What is drawn depends on the corruption, its strength and the image's place in its split alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STRENGTHS = (1, 2, 3, 4, 5)
SMALL, LARGE = 32, 224
"""Sides in pixels that the published constants are for."""

Pixels = NDArray[np.float64]
"""``[H, W, C]`` in [0, 1]."""


@dataclass(frozen=True)
class Corruption:
    """One kind.

    Attributes:
        small, large: the constants of each strength, of CIFAR-10-C and of ImageNet-C.
        apply: pixels, the constants, the side over that which they are for, a source of random numbers -> pixels.
    """

    name: str
    family: str
    small: Sequence[Any]
    large: Sequence[Any]
    apply: Callable[[Pixels, Any, float, np.random.Generator], Pixels]

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").replace("jpeg", "JPEG").replace("gaussian", "Gaussian")


@cache
def corruptions() -> dict[str, Corruption]:
    """Name -> corruption, by families: noise, blur, weather, digital."""
    from normfree.data.corrupting import blur, digital, noise, weather

    return {each.name: each for module in (noise, blur, weather, digital) for each in module.CORRUPTIONS}


@dataclass(frozen=True)
class Corrupted:
    """A corruption of one strength, 0 to 5; 0 changes nothing."""

    name: str
    strength: int

    def __call__(self, images: Tensor, places: Sequence[int]) -> Tensor:
        """uint8 ``[N, C, S, S]`` -> the same, each image by its place in the split."""
        if not self.strength:
            return images
        return torch.from_numpy(
            np.stack([self._one(image, place) for image, place in zip(images.numpy(), places, strict=True)])
        )

    def _one(self, image: NDArray[np.uint8], place: int) -> NDArray[np.uint8]:
        kind, side = corruptions()[self.name], image.shape[-1]
        small = side * side < SMALL * LARGE
        constants, reference = (kind.small, SMALL) if small else (kind.large, LARGE)
        random = np.random.default_rng([zlib.crc32(self.name.encode()), self.strength, place])
        pixels = image.transpose(1, 2, 0) / 255.0
        changed = kind.apply(pixels, constants[self.strength - 1], side / reference, random)
        return (changed.clip(0, 1) * 255).round().astype(np.uint8).transpose(2, 0, 1)
