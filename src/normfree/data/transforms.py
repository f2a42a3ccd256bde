"""What happens to one image that is read anew each time: cut, resized and mirrored as an augmentation asks for it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from normfree.config.schema import AugmentConfig, DataConfig
from normfree.config.sources import named
from normfree.data.boxes import random_part

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, where a data set gives none."""

MARGIN = 32
"""Pixels by which a test image is larger before its central crop, as in the NFNet code."""

_BICUBIC = v2.InterpolationMode.BICUBIC


def training_image(pixels: Tensor, data: DataConfig, augment: AugmentConfig, draws: Mapping[str, Tensor]) -> Tensor:
    """uint8 ``[channels, H, W]`` of any size -> ``[channels, size, size]``, not shifted yet.

    Args:
        draws: the image's own random numbers, ``[k]`` for each part: ``crop``, and ``shift`` whose last one mirrors.
    """
    size = data.train_size
    if augment.random_resized_crop:
        height, width = (np.array([side]) for side in pixels.shape[1:])
        part = random_part(height, width, draws["crop"][None].numpy())
        top, left, rows, columns = (int(each[0]) for each in part)
        pixels = _resized(pixels[:, top : top + rows, left : left + columns], [size, size])
    elif named(data.name).photographs and not augment.shift:
        pixels = _resized(pixels, [size, size])
    else:
        pixels = F.center_crop(_resized(pixels, [size]), [size, size])
    return pixels.flip(-1) if augment.flip and draws["shift"][-1] < 0.5 else pixels


def _resized(pixels: Tensor, size: list[int]) -> Tensor:
    resized: Tensor = F.resize(pixels, size, interpolation=_BICUBIC, antialias=True)
    return resized


def test_transform(data: DataConfig) -> v2.Compose:
    """PIL image -> uint8 ``[channels, size, size]``.

    Image files are resized to ``test_size + 32`` on both sides without keeping the aspect (the NFNet code's way), or
    with ``keep_aspect`` on the shorter side, and cropped to the centre; sets of small images are taken whole.
    """
    size = data.test_size
    if named(data.name).photographs:
        side = [size + MARGIN] if data.keep_aspect else [size + MARGIN] * 2
        steps = [v2.Resize(side, interpolation=_BICUBIC, antialias=True), v2.CenterCrop(size)]
    else:
        steps = _square(size)
    return v2.Compose([v2.PILToTensor(), *steps])


def _square(size: int) -> list[torch.nn.Module]:
    return [v2.Resize([size], interpolation=_BICUBIC, antialias=True), v2.CenterCrop(size)]


def statistics(data: DataConfig) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and standard deviation of each channel, in [0, 1]."""
    return data.mean or MEAN, data.std or STD


def normalise(images: Tensor, data: DataConfig) -> Tensor:
    """uint8 ``[N, C, H, W]`` -> float32 of about zero mean and unit variance."""
    scaled = F.to_dtype(images, torch.float32, scale=True)
    normalised: Tensor = F.normalize(scaled, *map(list, statistics(data)), inplace=True)
    return normalised
