"""Fog, and more light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from normfree.data.corrupting import Corruption, Pixels


def fog(pixels: Pixels, constants: tuple[float, float], scale: float, random: np.random.Generator) -> Pixels:
    """Adds so much of a plasma fractal, whose detail decays by this factor; the brightest pixel stays the brightest."""
    amount, decay = constants
    side, brightest = len(pixels), pixels.max()
    clouds = plasma(1 << (side - 1).bit_length(), decay, random)[:side, :side, None]
    foggy: Pixels = (pixels + amount * clouds) * brightest / (brightest + amount)
    return foggy


def plasma(side: int, decay: float, random: np.random.Generator) -> NDArray[np.float64]:
    """``[side, side]`` in [0, 1] by the diamond-square algorithm on a torus; the side is a power of two."""
    heights = np.zeros((side, side))
    step, rough = side, 100.0
    while step >= 2:
        half = step // 2

        def wobbled(total: NDArray[np.float64], rough: float = rough) -> NDArray[np.float64]:
            drawn: NDArray[np.float64] = random.uniform(-rough, rough, total.shape)
            return total / 4 + rough * drawn

        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = wobbled(pairs + np.roll(pairs, -1, 1))
        middles = heights[half::step, half::step]
        beside = corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = wobbled(beside + middles + np.roll(middles, 1, 0))
        below = corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = wobbled(below + middles + np.roll(middles, 1, 1))
        step, rough = half, rough / decay
    heights -= heights.min()
    found: NDArray[np.float64] = heights / heights.max()
    return found


def brightness(pixels: Pixels, more: float, scale: float, random: np.random.Generator) -> Pixels:
    """Adds to the value of hue, saturation and value, the highest of an image point's channels."""
    value = pixels.max(2, keepdims=True)
    raised = np.minimum(value + more, 1)
    lighter: Pixels = np.where(value > 0, pixels * raised / np.where(value > 0, value, 1), raised)
    return lighter


CORRUPTIONS = (
    Corruption(
        "fog", "weather", ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)), fog,
    ),
    Corruption("brightness", "weather", (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5), brightness),
)  # fmt: skip
