"""All gradients times one factor, so that their common norm is at most a limit that is known on the device alone."""

from __future__ import annotations

import torch
from torch import Tensor

from normfree.clip.norms import tensor_norms
from normfree.clip.statistics import NormStatistics


def common_norm(gradients: list[Tensor]) -> Tensor:
    """L2 norm of all of them together, float64 of shape ``()``, on the device of the first."""
    device = gradients[0].device
    norms = torch.stack([norm.to(device) for norm in tensor_norms(gradients)])
    norm: Tensor = torch.linalg.vector_norm(norms).double()
    return norm


def scale_to_(gradients: list[Tensor], norm: Tensor, limit: Tensor) -> NormStatistics:
    """Multiplies them, in place, by ``limit / norm`` where the norm is above the limit and finite, else by 1.

    Args:
        norm: of all of them, as `common_norm` gives it.
        limit: the largest norm allowed, of shape ``()``; infinite for any.
    """
    finite = norm.isfinite()
    clipped = (norm > limit) & finite
    factor = torch.where(clipped, limit / norm, 1.0)
    for gradient in gradients:
        gradient.mul_(factor.to(gradient.device))
    return NormStatistics(norm, norm * factor, 1, clipped.long(), finite.logical_not(), limit)
