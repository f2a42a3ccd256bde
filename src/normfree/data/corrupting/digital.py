"""What happens to images in a computer."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from normfree.data.corrupting import Corruption, Pixels


def contrast(pixels: Pixels, share: float, scale: float, random: np.random.Generator) -> Pixels:
    """So much of each channel's distance from its mean."""
    mean = pixels.mean((0, 1), keepdims=True)
    found: Pixels = (pixels - mean) * share + mean
    return found


def pixelate(pixels: Pixels, share: float, scale: float, random: np.random.Generator) -> Pixels:
    """Made smaller by this factor, by means over boxes, and larger again."""
    image, side = _image(pixels), len(pixels)
    few = max(1, int(side * share))
    small = image.resize((few, few), Image.Resampling.BOX)
    return _pixels(small.resize((side, side), Image.Resampling.BOX))


def jpeg(pixels: Pixels, quality: int, scale: float, random: np.random.Generator) -> Pixels:
    """Written as a JPEG of this quality and read again."""
    file = io.BytesIO()
    _image(pixels).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return _pixels(image)


def _image(pixels: Pixels) -> Image.Image:
    values: NDArray[np.uint8] = (pixels * 255).round().astype(np.uint8)
    return Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def _pixels(image: Image.Image) -> Pixels:
    values = np.asarray(image) / 255.0
    return values[..., None] if values.ndim == 2 else values


CORRUPTIONS = (
    Corruption("contrast", "digital", (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), contrast),
    Corruption("pixelate", "digital", (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25), pixelate),
    Corruption("jpeg", "digital", (80, 65, 58, 50, 40), (25, 18, 15, 10, 7), jpeg),
)
