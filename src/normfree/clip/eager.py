"""AGC by plain PyTorch on the processor: two norms a tensor, and only tensors with a clipped unit are written."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from normfree.clip.norms import Clippable, tensor_norms, unit_norms
from normfree.clip.statistics import UnitNorms

_SPARSE = 0.5
"""Where fewer of a tensor's units than this share are clipped, they are gathered and put back."""


def clip_eager(work: list[Clippable], clip_factor: float, eps: float) -> UnitNorms:
    """Clips `work`, whole tensors first, on one device whose results can be read without waiting."""
    gradient = _norms([one.gradient for one in work], work)
    limit = _norms([one.parameter for one in work], work).clamp_(min=eps).mul_(clip_factor)
    units = UnitNorms(gradient, limit, tuple((one.place, one.units) for one in work), "eager")
    _scale(work, units)
    return units


def _norms(tensors: list[Tensor], work: list[Clippable]) -> Tensor:
    whole = tensor_norms([tensor for tensor, one in zip(tensors, work, strict=True) if one.dims is None])
    parts = [torch.stack(whole)] if whole else []
    sliced = [(tensor, one.dims) for tensor, one in zip(tensors, work, strict=True) if one.dims is not None]
    return torch.cat(parts + [unit_norms(tensor, dims).view(-1) for tensor, dims in sliced])


def _scale(work: list[Clippable], units: UnitNorms) -> None:
    places = units.clipped.nonzero().view(-1)
    if places.numel() == 0:
        return
    scale = units.scale
    ends = torch.tensor(list(accumulate(count for _, count in units.owners)))
    # The clipped units before the end of each tensor, so that differences are the clipped units of each.
    known = [0, *torch.searchsorted(places, ends).tolist()]
    for index, (one, end) in enumerate(zip(work, ends.tolist(), strict=True)):
        clipped = known[index + 1] - known[index]
        if clipped == 0:
            continue
        gradient, start = one.gradient, end - one.units
        factor = scale[start:end]
        if one.dims is None:
            gradient.mul_(factor[0])
            continue
        factor = factor.view(gradient.shape[: one.dims[0]] + (1,) * len(one.dims))
        if one.dims[0] > 1 or clipped > _SPARSE * one.units:
            gradient.mul_(factor)
        else:
            chosen = places[known[index] : known[index + 1]] - start
            gradient.index_copy_(0, chosen, gradient.index_select(0, chosen).mul_(factor.index_select(0, chosen)))
