"""Clipping of every tensor by its own norm: ``g <- g min(1, max_norm / ||g||)``, as ``clipnorm`` of Keras does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from normfree.clip.statistics import UnitStatistics
from normfree.clip.tensors import TensorGradients


@torch.no_grad()
def clip_grad_per_tensor_(parameters: Tensor | Iterable[Tensor], max_norm: float = 1.0) -> UnitStatistics:
    """Limits, in place, the L2 norm of the gradient of every parameter to `max_norm`.

    Parameters without a gradient are skipped. A gradient whose norm is not finite is left as it is and does not touch
    the others. No GPU is waited for.

    Raises:
        ValueError: `max_norm` is not positive and finite.
    """
    if not (max_norm > 0 and math.isfinite(max_norm)):
        raise ValueError(f"max_norm={max_norm}: give a positive number")
    tensors = TensorGradients(parameters)
    if not len(tensors):
        return UnitStatistics((), max_norm)
    return UnitStatistics((tensors.limit_(torch.full_like(tensors.norms, max_norm)),), max_norm)


class PerTensor:
    """`clip_grad_per_tensor_` with its limit filled in; it knows nothing of earlier steps.

    Raises:
        ValueError: `max_norm` is not positive and finite.
    """

    def __init__(self, max_norm: float = 1.0) -> None:
        clip_grad_per_tensor_((), max_norm)
        self._max_norm = max_norm

    def __call__(self, parameters: Tensor | Iterable[Tensor]) -> UnitStatistics:
        return clip_grad_per_tensor_(parameters, self._max_norm)

    def state_dict(self) -> dict[str, Any]:
        """Empty: there is no state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """There is no state."""
