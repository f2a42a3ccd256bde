"""What happens to one image that is read anew each time: torchvision's transforms, as an augmentation asks for them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import v2

from normfree.config.images import FOLDERS
from normfree.config.schema import AugmentConfig, DataConfig

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, where a data set gives none."""

MARGIN = 32
"""Pixels by which a test image is larger before its central crop, as in the NFNet code."""

_BICUBIC = v2.InterpolationMode.BICUBIC


def training_transform(data: DataConfig, augment: AugmentConfig) -> v2.Compose:
    """PIL image of any size -> moved uint8 ``[channels, size, size]``."""
    size = data.train_size
    steps: list[torch.nn.Module] = [v2.PILToTensor()]
    if augment.random_resized_crop:
        steps.append(v2.RandomResizedCrop(size, interpolation=_BICUBIC, antialias=True))
    elif data.name in FOLDERS and not augment.shift:
        steps.append(v2.Resize((size, size), interpolation=_BICUBIC, antialias=True))
    else:
        steps += _square(size)
    if augment.shift:
        steps.append(v2.RandomCrop(size, padding=augment.shift))
    if augment.flip:
        steps.append(v2.RandomHorizontalFlip())
    return v2.Compose(steps)


def test_transform(data: DataConfig) -> v2.Compose:
    """PIL image -> uint8 ``[channels, size, size]``.

    Image files are resized to ``test_size + 32`` on both sides without keeping the aspect (the NFNet code's way), or
    with ``keep_aspect`` on the shorter side, and cropped to the centre; sets of small images are taken whole.
    """
    size = data.test_size
    if data.name in FOLDERS:
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
    scaled = v2.functional.to_dtype(images, torch.float32, scale=True)
    normalised: Tensor = v2.functional.normalize(scaled, *map(list, statistics(data)), inplace=True)
    return normalised
