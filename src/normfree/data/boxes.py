"""Which part of an image is taken, for images of any sizes, without looking at one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from normfree.data.crops import ATTEMPTS, CROPPED_AREA, CROPPED_ASPECT

Whole = NDArray[np.int64]
Sides = NDArray[np.integer[Any]]
Part = tuple[Whole, Whole, Whole, Whole]
"""top, left, rows, columns ``[n]`` each, in pixels."""


def random_part(heights: Sides, widths: Sides, draws: NDArray[np.floating[Any]]) -> Part:
    """Of random area and aspect: the first of ten that fits, or else the largest central one, as in torchvision.

    Args:
        draws: ``[n, 22]`` in [0, 1): areas, aspects, top, left.
    """
    height, width = heights.astype(np.float64), widths.astype(np.float64)
    draws = draws.astype(np.float64)
    areas, aspects, corner = draws[:, :ATTEMPTS], draws[:, ATTEMPTS:-2], draws[:, -2:]
    area = (CROPPED_AREA[0] + areas * (CROPPED_AREA[1] - CROPPED_AREA[0])) * (height * width)[:, None]
    low, high = np.log(CROPPED_ASPECT)
    aspect = np.exp(low + aspects * (high - low))
    columns, rows = np.round(np.sqrt(area * aspect)), np.round(np.sqrt(area / aspect))
    fits = (columns <= width[:, None]) & (rows <= height[:, None]) & (columns > 0) & (rows > 0)
    first = (np.arange(len(fits)), fits.argmax(1))
    some = fits.any(1)
    ratio = np.clip(width / height, *CROPPED_ASPECT)
    columns = np.where(some, columns[first], np.minimum(width, np.round(height * ratio)))
    rows = np.where(some, rows[first], np.minimum(height, np.round(width / ratio)))
    columns, rows = np.maximum(columns, 1), np.maximum(rows, 1)
    top = np.where(some, np.floor(corner[:, 0] * (height - rows + 1)), (height - rows) // 2)
    left = np.where(some, np.floor(corner[:, 1] * (width - columns + 1)), (width - columns) // 2)
    return _whole(top, left, rows, columns)


def central_part(heights: Sides, widths: Sides, square: bool) -> Part:
    """All of an image, or its central square."""
    height, width = heights.astype(np.float64), widths.astype(np.float64)
    shorter = np.minimum(height, width)
    rows, columns = (shorter, shorter) if square else (height, width)
    return _whole((height - rows) // 2, (width - columns) // 2, rows, columns)


def _whole(top: Any, left: Any, rows: Any, columns: Any) -> Part:
    return top.astype(np.int64), left.astype(np.int64), rows.astype(np.int64), columns.astype(np.int64)
