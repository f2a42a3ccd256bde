"""What a clipper did, as tensors on the device of the gradients: reading them is left to the caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClipStatistics:
    """One call of a clipper. All tensors have shape ``()``.

    Attributes:
        norm_before: L2 norm of all gradients that were looked at, before clipping.
        norm_after: the same after clipping.
        units: how many units there were.
        clipped_units: how many of them were scaled down.
        nonfinite: whether a norm is infinite or NaN; such a unit is left as it is.
    """

    norm_before: Tensor
    norm_after: Tensor
    units: int
    clipped_units: Tensor
    nonfinite: Tensor

    @classmethod
    def empty(cls) -> ClipStatistics:
        """No gradient at all."""
        zero = torch.zeros(())
        return cls(zero, zero, 0, torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.bool))


def parameters_with_gradient(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """(parameter, gradient) pairs; what has no gradient is left out."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [(p, gradient) for p in parameters if (gradient := p.grad) is not None]
