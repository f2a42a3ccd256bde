"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a whole batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.source import Batch


def mix(images: Tensor, labels: Tensor, classes: int, augment: AugmentConfig, stream: torch.Generator) -> Batch:
    """Mix each image with another of the batch; where both are on, MixUp takes the first half and CutMix the rest.

    Args:
        images: ``[N, C, H, W]``.
        labels: ``[N]`` int64.

    Returns:
        The batch; its labels are class shares ``[N, classes]`` when anything was mixed.
    """
    if not augment.mixup and not augment.cutmix:
        return Batch(images, labels)
    shares = F.one_hot(labels, classes).to(images.dtype)
    partner = torch.randperm(len(images), generator=stream)
    half = len(images) // 2 if augment.mixup and augment.cutmix else len(images) * bool(augment.mixup)
    weight = torch.ones(len(images))
    mixed = images.clone()
    for position in range(len(images)):
        other = images[partner[position]]
        if position < half:
            weight[position] = _beta(augment.mixup, stream)
            mixed[position] = torch.lerp(other, images[position], weight[position])
        else:
            top, bottom, left, right = _box(images.shape[2:], 1 - _beta(augment.cutmix, stream), stream)
            mixed[position, :, top:bottom, left:right] = other[:, top:bottom, left:right]
            weight[position] = 1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
    return Batch(mixed, torch.lerp(shares[partner], shares, weight[:, None]))


def _beta(alpha: float, stream: torch.Generator) -> float:
    """A draw of Beta(alpha, alpha) from two of Gamma(alpha)."""
    concentration = torch.full((2,), alpha, dtype=torch.float64)
    first, second = torch._standard_gamma(concentration, generator=stream).clamp_min(1e-300).tolist()
    return float(first / (first + second))


def _box(size: torch.Size, area: float, stream: torch.Generator) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a box of this share of the area around a uniform centre, cut at the border."""
    edges = []
    for side in size:
        centre = int(torch.randint(side, (), generator=stream))
        half = round(side * area**0.5 / 2)
        edges += [max(centre - half, 0), min(centre + half, side)]
    return edges[0], edges[1], edges[2], edges[3]
