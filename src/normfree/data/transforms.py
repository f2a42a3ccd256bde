"""What becomes of one decoded image: the parts that are trained on and tested, and their resizing, in every loader.

Every resizing but that of random parts is pillow's, bicubic with antialiasing, so that all loaders and processors give
the same pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from normfree.config.schema import AugmentConfig, DataConfig
from normfree.data.boxes import random_part

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, where a data set gives none."""

PUBLISHED = 224
"""The least size in pixels of the networks whose papers say how they are tested."""

_MARGIN = 32


def tested_share(size: int) -> float:
    """The central share of both sides that is tested at ``size`` px.

    ``size / (size + 32)`` from 224 px on, as in the NFNet code, which resizes to 32 px more and crops; and what that is
    at 224 px, 7/8, for smaller sizes.
    """
    return max(PUBLISHED, size) / (max(PUBLISHED, size) + _MARGIN)


def tested_box(width: int, height: int, data: DataConfig) -> tuple[float, float, float, float]:
    """The part that is tested of an image: left, top, right, bottom in its pixels.

    The central share of both sides, or with ``keep_aspect`` a central square of that share of the shorter side. An
    image that has the size is tested whole; below 224 px, where every pixel counts, no side that has as many pixels as
    are tested is cut to fewer.
    """
    size = data.test_size
    if (width, height) == (size, size):
        return 0, 0, width, height
    sides = [min(width, height)] * 2 if data.keep_aspect else [width, height]
    columns, rows = (tested_share(size) * side for side in sides)
    if size < PUBLISHED:
        columns, rows = max(columns, min(sides[0], size)), max(rows, min(sides[1], size))
    return _central(width, height, columns, rows, size)


def tested_image(image: Image.Image, data: DataConfig) -> Tensor:
    """uint8 ``[channels, size, size]`` as every loader tests it: the part of `tested_box`, resized."""
    return _resized(image, data.test_size, tested_box(*image.size, data))


def whole_image(image: Image.Image, data: DataConfig) -> Tensor:
    """uint8 ``[channels, size, size]``: all of an image, or with ``keep_aspect`` its central square, for training."""
    width, height = image.size
    columns, rows = [min(width, height)] * 2 if data.keep_aspect else [width, height]
    return _resized(image, data.train_size, _central(width, height, columns, rows, data.train_size))


def training_image(image: Image.Image, data: DataConfig, augment: AugmentConfig, draws: Mapping[str, Tensor]) -> Tensor:
    """An image of any size -> uint8 ``[channels, size, size]``, not shifted yet.

    Args:
        draws: the image's own random numbers, ``[k]`` for each part: ``crop``, and ``shift`` whose last one mirrors.
    """
    if augment.random_resized_crop:
        pixels: Tensor = F.pil_to_tensor(image)
        height, width = (np.array([side]) for side in pixels.shape[1:])
        part = random_part(height, width, draws["crop"][None].numpy())
        top, left, rows, columns = (int(each[0]) for each in part)
        pixels = pixels[:, top : top + rows, left : left + columns]
        pixels = F.resize(pixels, [data.train_size] * 2, interpolation=InterpolationMode.BICUBIC, antialias=True)
    else:
        pixels = whole_image(image, data)
    return pixels.flip(-1) if augment.flip and draws["shift"][-1] < 0.5 else pixels


def _central(width: int, height: int, columns: float, rows: float, size: int) -> tuple[float, float, float, float]:
    # As many pixels as there will be are taken as they are, not from half a pixel on.
    left = (width - columns) // 2 if columns == size else (width - columns) / 2
    top = (height - rows) // 2 if rows == size else (height - rows) / 2
    return left, top, left + columns, top + rows


def _resized(image: Image.Image, size: int, box: tuple[float, float, float, float]) -> Tensor:
    """``[channels, size, size]`` of a box, whose edges may lie between pixels."""
    pixels: Tensor = F.pil_to_tensor(image.resize((size, size), Image.Resampling.BICUBIC, box))
    return pixels


def statistics(data: DataConfig) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of each channel, in [0, 1]."""
    return data.mean or MEAN, data.std or STD


def normalise(images: Tensor, data: DataConfig) -> Tensor:
    """uint8 ``[N, C, H, W]`` -> float32 of about zero mean and unit variance."""
    scaled = F.to_dtype(images, torch.float32, scale=True)
    normalised: Tensor = F.normalize(scaled, *map(list, statistics(data)), inplace=True)
    return normalised
