"""What a clipper of one's own does, measured from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from normfree.clip.statistics import ClipStatistics, NormStatistics, UnitStatistics


def watched(clipper: Callable[[list[Tensor]], Any], parameters: list[Tensor]) -> ClipStatistics:
    """What a user's clipper did: its own statistics, or the norms before and after."""
    before = gradient_norm(parameters)
    answer: Any = clipper(parameters)
    if isinstance(answer, NormStatistics | UnitStatistics):
        return answer
    after = gradient_norm(parameters)
    return NormStatistics(before, after, 1, (after < before).long(), before.isfinite().logical_not())


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """L2 norm of all gradients together, shape ``()``; 0 where there are none."""
    with torch.no_grad():
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        return get_total_norm(gradients) if gradients else torch.zeros(())
