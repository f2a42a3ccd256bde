"""Bounded functions of each value by itself, in the place of a normaliser."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from normfree.nets.normalizers.parameters import ChannelAffine

ALPHA_INIT = 0.5
_NODES = 4001
_REACH = 12.0


class Pointwise(ChannelAffine):
    """``weight * f(alpha * x + shift) + bias`` with a scalar alpha; base of DyT and Derf.

    Args:
        alpha_init: where alpha begins.
        preserve_variance: gains begin at ``1 / std(f(alpha * z))``, z ~ N(0, 1), in the place of 1.
    """

    function: Callable[[Tensor], Tensor]

    def __init__(self, channels: int, alpha_init: float | None = None, preserve_variance: bool | None = None) -> None:
        super().__init__(channels)
        alpha = ALPHA_INIT if alpha_init is None else alpha_init
        if not alpha > 0:
            raise ValueError(f"alpha_init={alpha}: must be greater than 0")
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))
        if preserve_variance:
            nn.init.constant_(self.weight, unit_gain(type(self).function, alpha))


class DynamicTanh(Pointwise):
    """DyT: ``weight * tanh(alpha * x) + bias``."""

    function = staticmethod(torch.tanh)

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(torch.tanh(x * self.alpha.to(x.dtype)))


class DynamicErf(Pointwise):
    """Derf: ``weight * erf(alpha * x + shift) + bias``; shift, a scalar, begins at 0."""

    function = staticmethod(torch.erf)

    def __init__(self, channels: int, alpha_init: float | None = None, preserve_variance: bool | None = None) -> None:
        super().__init__(channels, alpha_init, preserve_variance)
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(torch.erf(torch.addcmul(self.shift.to(x.dtype), x, self.alpha.to(x.dtype))))


def unit_gain(function: Callable[[Tensor], Tensor], alpha: float) -> float:
    """``1 / std(function(alpha * z))`` for ``z ~ N(0, 1)`` and an odd function, by the trapezoidal rule."""
    z = torch.linspace(-_REACH, _REACH, _NODES, dtype=torch.float64, device="cpu")
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    variance = float(torch.trapezoid(function(alpha * z).square() * density, z))
    return 1 / math.sqrt(variance)
