"""Blurs: of a lens, of a motion, of a zoom."""

from __future__ import annotations

from math import ceil, cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d
from scipy.signal import fftconvolve

from normfree.data.corrupting import Corruption, Pixels

_WIDE = 8
"""Pixels of radius from which the edge of a disk is smoothed over five pixels, not three."""


def defocus(pixels: Pixels, constants: tuple[float, float], scale: float, random: np.random.Generator) -> Pixels:
    """Convolution with a disk of this radius in pixels, whose edge is smoothed by this deviation."""
    radius, edge = constants
    kernel = disk(radius * scale, edge)
    margin = min(len(kernel) // 2, len(pixels) - 1)
    kernel = kernel[len(kernel) // 2 - margin :, len(kernel) // 2 - margin :][: 2 * margin + 1, : 2 * margin + 1]
    padded = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    blurred: Pixels = fftconvolve(padded, (kernel / kernel.sum())[..., None], mode="valid", axes=(0, 1))
    return blurred


def disk(radius: float, edge: float) -> NDArray[np.float64]:
    """``[k, k]`` of sum 1."""
    reach = max(ceil(radius), 1) + 2
    steps = np.arange(-reach, reach + 1)
    inside = (steps[:, None] ** 2 + steps**2 <= radius**2).astype(float)
    taps = np.arange(-1, 2) if radius <= _WIDE else np.arange(-2, 3)
    smooth = np.exp(-(taps**2) / (2 * edge**2))
    for axis in (0, 1):
        inside = correlate1d(inside, smooth / smooth.sum(), axis=axis, mode="constant")
    kernel: NDArray[np.float64] = inside / inside.sum()
    return kernel


def motion(pixels: Pixels, constants: tuple[float, float], scale: float, random: np.random.Generator) -> Pixels:
    """Weights that fall off along a line of random angle, from -45 to 45 degrees, as ImageMagick has it."""
    radius, deviation = (each * scale for each in constants)
    angle = radians(random.uniform(-45, 45))
    steps = np.arange(2 * ceil(radius) + 1)
    weights = np.exp(-(steps**2) / (2 * deviation**2))
    side = len(pixels)
    blurred = np.zeros_like(pixels)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        rows, columns = (
            np.clip(np.arange(side) + round(step * turn), 0, side - 1) for turn in (sin(angle), cos(angle))
        )
        blurred += weight * pixels[np.ix_(rows, columns)]
    return blurred


def zoom(pixels: Pixels, constants: tuple[float, float], scale: float, random: np.random.Generator) -> Pixels:
    """Mean of the image and of its enlargements, up to this factor by this step."""
    most, step = constants
    factors = np.arange(1, most, step)
    total = pixels + sum(_enlarged(pixels, factor) for factor in factors)
    mean: Pixels = total / (len(factors) + 1)
    return mean


def _enlarged(pixels: Pixels, factor: float) -> Pixels:
    side = len(pixels)
    margin = (side - side / factor) / 2
    box = (margin, margin, side - margin, side - margin)
    channels = [Image.fromarray(pixels[..., number].astype(np.float32)) for number in range(pixels.shape[2])]
    return np.stack([np.asarray(one.resize((side, side), Image.Resampling.BILINEAR, box)) for one in channels], -1)


CORRUPTIONS = (
    Corruption(
        "defocus_blur", "blur", ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), defocus,
    ),
    Corruption(
        "motion_blur", "blur", ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)), motion,
    ),
    Corruption(
        "zoom_blur", "blur", ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)), zoom,
    ),
)  # fmt: skip
