"""No normaliser at all: the floor that everything else is held against."""

from __future__ import annotations

import math

from torch import nn

from normfree.nets.initializers import fan_in
from normfree.nets.normalizers import Normalizer, register


def nothing(channels: int) -> nn.Identity:
    """Its input."""
    return nn.Identity()


def he_normal_(network: nn.Module) -> None:
    """Every convolution from ``N(0, 2 / fan_in)`` (He et al. 2015), which keeps the variance under a ReLU."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in(module.weight)))


register(
    Normalizer(
        name="none",
        title="no normaliser",
        sees="none",
        source="initial values of He et al. 2015, arXiv 1502.01852",
        formula="y = x",
        layer=nothing,
        overwritable=False,
        folds=True,
        initialise=he_normal_,
        advice="The floor. Branches add up unchecked: deep networks need low learning rates, or clipping.",
    )
)
