"""Initial values of the released networks."""

from __future__ import annotations

import math

from torch import Tensor, nn


def fan_in(weight: Tensor) -> int:
    """Inputs that one output sees: the product of all dimensions but the first (groups included)."""
    return math.prod(weight.shape[1:])


def lecun_normal_(weight: Tensor) -> None:
    """``N(0, 1 / fan_in)``, not truncated: weight-standardised convolutions."""
    nn.init.normal_(weight, std=fan_in(weight) ** -0.5)


def truncated_lecun_normal_(weight: Tensor) -> None:
    """Normal of scale ``1 / sqrt(fan_in)`` cut at two scales, not rescaled: plain layers."""
    scale = fan_in(weight) ** -0.5
    nn.init.trunc_normal_(weight, std=scale, a=-2 * scale, b=2 * scale)
