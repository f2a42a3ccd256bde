"""Fixup: initial values, scalar biases and a multiplier a branch in the place of normalisers."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from normfree.nets.activations import Nonlinearity
from normfree.nets.initializers import fan_in
from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.branches import branches, he_normal_, nothing
from normfree.nets.residual import ResidualSum


class ScalarBias(nn.Module):
    """``x + bias``, a scalar, first 0."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.to(x.dtype)


class BiasedActivation(nn.Module):
    """``activation(x + before) + after``: the biases before a nonlinearity and before the convolution behind it."""

    def __init__(self, channels: int, activation: Nonlinearity) -> None:
        super().__init__()
        self.bias_before = nn.Parameter(torch.zeros(()))
        self.bias_after = nn.Parameter(torch.zeros(()))
        self.function = activation.function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x + self.bias_before.to(x.dtype)) + self.bias_after.to(x.dtype)


class Multiplied(ResidualSum):
    """``shortcut + multiplier * branch + bias``: scalars, first 1 and 0."""

    def __init__(self, index: int, blocks: int) -> None:
        super().__init__()
        self.multiplier = nn.Parameter(torch.ones(()))
        self.offset_bias = nn.Parameter(torch.zeros(()))

    def factor(self) -> Tensor:
        return self.multiplier

    def bias(self) -> Tensor:
        return self.offset_bias


@torch.no_grad()
def fixup_(network: nn.Module) -> None:
    """He's values; in a branch of m convolutions of L branches times ``L ** (-1 / (2 m - 2))``, and the last one 0.

    The classifier begins at 0.
    """
    he_normal_(network)
    all_branches = list(branches(network))
    for convs in all_branches:
        *others, last = convs
        for conv in others:
            scale = len(all_branches) ** (-1 / (2 * len(convs) - 2))
            nn.init.normal_(conv.weight, std=scale * math.sqrt(2 / fan_in(conv.weight)))
        nn.init.zeros_(last.weight)
    classifier = getattr(network, "classifier", None)
    if isinstance(classifier, nn.Linear):
        nn.init.zeros_(classifier.weight)


register(
    Normalizer(
        name="fixup",
        title="Fixup",
        sees="none",
        source="Zhang et al. 2019, arXiv 1901.09321",
        formula="y = activation(x + scalar) + scalar; block: x + multiplier * branch(x) + scalar; L branches of m "
        "convolutions begin at He's values times L ** (-1 / (2 m - 2)), the last convolution and the classifier at 0",
        layer=BiasedActivation,
        activation="inside",
        linear=nothing,
        folds=True,
        entry=ScalarBias,
        residual=Multiplied,
        initialise=fixup_,
        advice="No statistics and no gains that could stay closed; made for plain ResNets, and wants regularisation "
        "(its paper: MixUp). A Squeeze-and-Excitation gate stands between branch and multiplier.",
    )
)
