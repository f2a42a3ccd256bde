"""AGC by plain PyTorch on the processor: two norms a tensor, and only tensors with a clipped unit are written."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from normfree.clip.norms import Clippable, tensor_norms, unit_norms
from normfree.clip.statistics import UnitNorms

_SPARSE = 0.5
_LARGE = 2**16
"""Where fewer units than this share of a tensor of at least so many elements are clipped, they alone are written."""


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
    sizes = [count for _, count in units.owners]
    starts = list(accumulate(sizes, initial=0))
    # The clipped units before the end of each tensor, so that differences are the clipped units of each.
    known = torch.searchsorted(places, torch.tensor(starts)).tolist()
    targets: list[Tensor] = []
    factors: list[Tensor] = []
    for index, (one, factor) in enumerate(zip(work, units.scale.split_with_sizes(sizes), strict=True)):
        clipped = known[index + 1] - known[index]
        if clipped == 0:
            continue
        dims = () if one.dims is None else one.dims
        factor = factor.view(one.gradient.shape[: dims[0]] + (1,) * len(dims) if dims else ())
        if one.gradient.numel() < _LARGE or dims[:1] != (1,) or clipped > _SPARSE * one.units:
            targets.append(one.gradient)
            factors.append(factor)
        else:
            chosen = places[known[index] : known[index + 1]] - starts[index]
            scaled = one.gradient.index_select(0, chosen).mul_(factor.index_select(0, chosen))
            one.gradient.index_copy_(0, chosen, scaled)
    if targets:
        torch._foreach_mul_(targets, factors)
