"""Snow, fog, and more light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from normfree.data.corrupting import Corruption, Pixels
from normfree.data.corrupting.blur import enlarged, resized, streaked

_LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""


def snow(pixels: Pixels, constants: tuple[float, ...], scale: float, random: np.random.Generator) -> Pixels:
    """Flakes: normal noise of this mean and deviation, enlarged, what is above a threshold, streaked on its way down.

    They are added, and turned by 180 degrees once more, to an image whitened by one less the last constant.
    """
    mean, deviation, factor, threshold, radius, spread, kept = constants
    side = len(pixels)
    # As large as the image that the constants are for, so that as many flakes fall on another.
    noise = enlarged(random.normal(mean, deviation, (round(side / scale),) * 2)[..., None], factor)
    flakes = resized(np.where(noise < threshold, 0, noise).clip(0, 1), side)
    fallen = streaked(flakes, radius * scale, spread * scale, random.uniform(-135, -45))
    grey = pixels @ _LUMA if pixels.shape[2] == 3 else pixels.mean(2)
    white = np.maximum(pixels, grey[..., None] * 1.5 + 0.5)
    snowed: Pixels = kept * pixels + (1 - kept) * white + fallen + np.rot90(fallen, 2)
    return snowed


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
        "snow", "weather",
        ((0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
         (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8)),
        ((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
         (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55)), snow,
    ),
    Corruption(
        "fog", "weather", ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)), fog,
    ),
    Corruption("brightness", "weather", (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5), brightness),
)  # fmt: skip
