"""Blurs: of a lens, of frosted glass, of a motion, of a zoom."""

from __future__ import annotations

from math import ceil, cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d, gaussian_filter
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


def glass(pixels: Pixels, constants: tuple[float, float, int], scale: float, random: np.random.Generator) -> Pixels:
    """Blurred by this deviation, each point taken from one at most so far away, so many times over, and blurred again.

    The published code means to swap two points and copies one over the other; so does this, in the same order.
    """
    deviation, reach, times = constants[0] * scale, max(1, round(constants[1] * scale)), constants[2]
    soft = gaussian_filter(pixels, (deviation, deviation, 0))
    side = len(pixels)
    taken = shuffled(side, reach, times, random)
    moved = soft.reshape(side * side, -1)[taken].reshape(pixels.shape)
    blurred: Pixels = gaussian_filter(moved, (deviation, deviation, 0))
    return blurred


def shuffled(side: int, reach: int, times: int, random: np.random.Generator) -> NDArray[np.int64]:
    """For each point of ``side * side`` the one that it shows: one after another, from the last point on, shows what a
    point drawn from -reach to reach - 1 rows and columns away shows by then.
    """
    taken = np.arange(side * side)
    inner = np.arange(side - reach, reach, -1)
    for _ in range(times):
        moves = random.integers(-reach, reach, (len(inner), len(inner), 2))
        for row, (down, right) in zip(inner, moves.transpose(0, 2, 1), strict=True):
            places = row * side + inner
            sources = places + down * side + right
            shown = taken[sources]
            # What stands to the right in the same row has changed by then; rows below are done, the others to come.
            late = (down == 0) & (right > 0)
            taken[places[~late]] = shown[~late]
            for place, source in zip(places[late], sources[late], strict=True):
                taken[place] = taken[source]
    return taken


def motion(pixels: Pixels, constants: tuple[float, float], scale: float, random: np.random.Generator) -> Pixels:
    """A line of random angle, from -45 to 45 degrees, of this radius and deviation in pixels."""
    radius, deviation = constants
    return streaked(pixels, radius * scale, deviation * scale, random.uniform(-45, 45))


def streaked(pixels: Pixels, radius: float, deviation: float, degrees: float) -> Pixels:
    """Weights that fall off along a line, from where it begins, as ImageMagick has it."""
    angle = radians(degrees)
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
    total = pixels + sum(enlarged(pixels, factor) for factor in factors)
    mean: Pixels = total / (len(factors) + 1)
    return mean


def enlarged(pixels: Pixels, factor: float) -> Pixels:
    """The middle, by this factor, in as many pixels."""
    side = len(pixels)
    return resized(pixels, side, (side - side / factor) / 2)


def resized(pixels: Pixels, side: int, margin: float = 0.0) -> Pixels:
    """What is within the margin as ``[side, side, C]``, by linear interpolation."""
    box = (margin, margin, len(pixels) - margin, len(pixels) - margin)
    channels = [Image.fromarray(pixels[..., number].astype(np.float32)) for number in range(pixels.shape[2])]
    return np.stack([np.asarray(one.resize((side, side), Image.Resampling.BILINEAR, box)) for one in channels], -1)


CORRUPTIONS = (
    Corruption(
        "defocus_blur", "blur", ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)), defocus,
    ),
    Corruption(
        "glass_blur", "blur", ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)), glass,
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
