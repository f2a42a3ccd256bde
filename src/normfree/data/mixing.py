"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a whole batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.source import Batch


def mix(images: Tensor, labels: Tensor, classes: int, augment: AugmentConfig, stream: torch.Generator) -> Batch:
    """Mix each image with another of the batch; where both are on, MixUp takes the first half and CutMix the rest.

    Args:
        images: ``[N, C, H, W]`` on any device.
        labels: ``[N]`` int64 on the processor.

    Returns:
        The batch; its labels are class shares ``[N, classes]`` when anything was mixed.
    """
    if not augment.mixup and not augment.cutmix:
        return Batch(images, labels)
    shares = F.one_hot(labels, classes).float()
    count = len(images)
    partner = torch.randperm(count, generator=stream)
    half = count // 2 if augment.mixup and augment.cutmix else count * bool(augment.mixup)
    weight = torch.cat([_beta(augment.mixup, half, stream), _beta(augment.cutmix, count - half, stream)])
    inside, cut = _boxes(images.shape[2:], 1 - weight[half:], stream)
    weight[half:] = 1 - cut
    device = images.device
    other = images[partner.to(device)]
    mixed = torch.empty_like(images)
    lerp = weight[:half, None, None, None].to(device, images.dtype)
    torch.lerp(other[:half], images[:half], lerp, out=mixed[:half])
    torch.where(inside[:, None].to(device), other[half:], images[half:], out=mixed[half:])
    return Batch(mixed, torch.lerp(shares[partner], shares, weight[:, None]))


def _beta(alpha: float, count: int, stream: torch.Generator) -> Tensor:
    """Draws of Beta(alpha, alpha) ``[count]``, each from two of Gamma(alpha)."""
    if not count:
        return torch.empty(0)
    concentration = torch.full((count, 2), alpha, dtype=torch.float64)
    gammas = torch._standard_gamma(concentration, generator=stream).clamp_min(1e-300)
    return (gammas[:, 0] / gammas.sum(1)).float()


def _boxes(size: torch.Size, area: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Boxes of these shares of the area around uniform centres, cut at the border.

    Returns:
        Which pixels are inside ``[n, H, W]``, and the share of the area that they are ``[n]``.
    """
    within = []
    for side in size:
        centre = torch.randint(side, (len(area), 1), generator=stream)
        half = (side * area.sqrt() / 2).round()[:, None]
        place = torch.arange(side)
        within.append((place >= centre - half) & (place < centre + half))
    inside = within[0][:, :, None] & within[1][:, None, :]
    return inside, inside.float().mean((1, 2))
