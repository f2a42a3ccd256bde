"""Clipping by the norm of all gradients together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from normfree.clip.norms import tensor_norms
from normfree.clip.statistics import NormStatistics, UnitStatistics, parameters_with_gradient


@torch.no_grad()
def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> NormStatistics | UnitStatistics:
    """Scales all gradients, in place, so that their common L2 norm is at most `max_norm`.

    The factor is ``min(1, max_norm / (norm + 1e-6))``, as in ``torch.nn.utils.clip_grad_norm_``. A norm that
    is not finite leaves every gradient as it is and is reported.

    Raises:
        ValueError: `max_norm` is not positive.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm={max_norm}: give a positive number")
    gradients = [gradient for _, _, gradient in parameters_with_gradient(parameters)]
    if not gradients:
        return UnitStatistics((), max_norm)
    device = gradients[0].device
    norm = torch.linalg.vector_norm(torch.stack([norm.to(device) for norm in tensor_norms(gradients)]))
    factor = max_norm / (norm + 1e-6)
    clipped = (factor < 1) & norm.isfinite()
    factor = torch.where(clipped, factor, torch.ones_like(factor))
    for gradient in gradients:
        gradient.mul_(factor.to(gradient.device))
    return NormStatistics(norm, norm * factor, 1, clipped.sum(), ~norm.isfinite())
