"""What happens to images in a computer, and to their shape."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates

from normfree.data.corrupting import Corruption, Pixels


def contrast(pixels: Pixels, share: float, scale: float, random: np.random.Generator) -> Pixels:
    """So much of each channel's distance from its mean."""
    mean = pixels.mean((0, 1), keepdims=True)
    found: Pixels = (pixels - mean) * share + mean
    return found


def elastic(pixels: Pixels, constants: tuple[float, ...], scale: float, random: np.random.Generator) -> Pixels:
    """A random affine map, then a smooth random displacement of every point.

    Three points around the middle move by at most the last constant, which makes the map; displacements are uniform
    noise smoothed by the second constant, times the first. All in pixels.
    """
    strength, smooth, reach = (each * scale for each in constants)
    side = len(pixels)
    middle, third = side // 2, max(1, side // 3)
    points = np.array([(third, third), (third, -third), (-third, -third)], dtype=float) + middle
    moved = points + random.uniform(-reach, reach, points.shape)
    # From where a point has gone to where it was: rows of [row, column, 1] times what is solved for.
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points)
    displaced = [
        strength * gaussian_filter(random.uniform(-1, 1, (side, side)), smooth, truncate=3) if strength else 0.0
        for _ in "xy"
    ]
    places = [grid + shift for grid, shift in zip(np.mgrid[:side, :side], displaced, strict=True)]
    channels = []
    for number in range(pixels.shape[2]):
        turned = affine_transform(pixels[..., number], back[:2].T, back[2], order=1, mode="mirror")
        channels.append(map_coordinates(turned, places, order=1, mode="reflect"))
    return np.stack(channels, -1)


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
    Corruption(
        "elastic", "digital",
        ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
        ((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)), elastic,
    ),
    Corruption("pixelate", "digital", (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25), pixelate),
    Corruption("jpeg", "digital", (80, 65, 58, 50, 40), (25, 18, 15, 10, 7), jpeg),
)  # fmt: skip
