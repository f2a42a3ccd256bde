"""MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019), drawn for the whole batch of a step, however it is cut.

The image number k of a step is mixed with its neighbour, number k ^ 1: the order of an epoch is random, and so is who
the neighbour is. A micro batch of an even number of images holds the partners of all of them; of an odd number it reads
one more.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.source import Batch


class Mixing(NamedTuple):
    """What becomes of each image of a step, by its number in the batch: ``[batch]`` each.

    Attributes:
        partner: the number of the image that it is mixed with; with itself in a batch of one.
        pasted: whether CutMix takes it, or else MixUp.
        weight: the part that it keeps; of a pasted image the part of the area, before its box is cut at the border.
        centre: of the box, ``[batch, 2]`` in [0, 1).
    """

    partner: Tensor
    pasted: Tensor
    weight: Tensor
    centre: Tensor

    def members(self, own: Tensor) -> Tensor:
        """``own`` numbers, and after them those of partners that are not among them."""
        partners = self.partner[own]
        return torch.cat([own, torch.unique(partners[~torch.isin(partners, own)])])


def draw_mixing(batch: int, augment: AugmentConfig, stream: torch.Generator) -> Mixing | None:
    """For a step of ``batch`` images; ``None`` where nothing is mixed.

    Where both are on, every other pair is for MixUp and the rest for CutMix, so that a micro batch has of both.
    """
    if not augment.mixup and not augment.cutmix:
        return None
    number = torch.arange(batch)
    partner = number ^ 1
    partner[partner == batch] = 0  # the last of an odd batch
    pasted = (number // 2) % 2 == 1 if augment.mixup and augment.cutmix else torch.full((batch,), bool(augment.cutmix))
    weight = torch.empty(batch)
    weight[~pasted] = _beta(augment.mixup, int((~pasted).sum()), stream)
    weight[pasted] = _beta(augment.cutmix, int(pasted.sum()), stream)
    return Mixing(partner, pasted, weight, torch.rand(batch, 2, generator=stream))


def mix(images: Tensor, labels: Tensor, classes: int, mixing: Mixing | None, members: Tensor, own: int) -> Batch:
    """Mix the first ``own`` images with their partners.

    Args:
        images: ``[N, C, H, W]`` on any device: the own images, and after them partners that are not among them.
        labels: ``[N]`` int64 on the processor.
        members: ``[N]``, their numbers in the batch of the step.

    Returns:
        The own images; labels are class shares ``[own, classes]`` when anything was mixed.
    """
    if mixing is None:
        return Batch(images[:own], labels[:own])
    numbers = members[:own]
    place = torch.empty(len(mixing.partner), dtype=torch.int64)
    place[members] = torch.arange(len(members))
    partner = place[mixing.partner[numbers]]
    pasted = mixing.pasted[numbers]
    weight = mixing.weight[numbers]
    kept = weight[:, None, None]
    if bool(pasted.any()):
        inside = _boxes(images.shape[2:], 1 - weight, mixing.centre[numbers])
        weight = torch.where(pasted, 1 - inside.float().mean((1, 2)), weight)
        kept = torch.where(pasted[:, None, None], (~inside).float(), kept)
    device = images.device
    there = kept[:, None].to(device, images.dtype, non_blocking=True)
    mixed = torch.lerp(images[partner.to(device, non_blocking=True)], images[:own], there)
    shares = F.one_hot(labels, classes).float()
    return Batch(mixed, torch.lerp(shares[partner], shares[:own], weight[:, None]))


def _beta(alpha: float, count: int, stream: torch.Generator) -> Tensor:
    """Draws of Beta(alpha, alpha) ``[count]``, each from two of Gamma(alpha)."""
    if not count:
        return torch.empty(0)
    concentration = torch.full((count, 2), alpha, dtype=torch.float64)
    gammas = torch._standard_gamma(concentration, generator=stream).clamp_min(1e-300)
    return (gammas[:, 0] / gammas.sum(1)).float()


def _boxes(size: torch.Size, area: Tensor, centre: Tensor) -> Tensor:
    """Which pixels ``[n, H, W]`` are in boxes of these shares of the area around the centres, cut at the border."""
    within = []
    for side, at in zip(size, centre.unbind(1), strict=True):
        middle = (at * side).floor().clamp_max(side - 1)[:, None]
        half = (side * area.sqrt() / 2).round()[:, None]
        place = torch.arange(side)
        within.append((place >= middle - half) & (place < middle + half))
    return within[0][:, :, None] & within[1][:, None, :]
