"""RescaleNet: shortcut and branch are weighed so that the sum keeps its variance.

The authors' code (github.com/hukkai/rescaling, ``models/layers.py``) takes the mean of every channel over its first 8
calls in training and subtracts it from then on; those first activations are of the images of a micro batch together.
Here biases begin at 0: else the network would depend on how a batch is cut, and on which image stands beside which, and
would be no network without statistics.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from normfree.nets.initializers import fan_in
from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.branches import branches, he_normal_, nothing
from normfree.nets.normalizers.parameters import ChannelBias
from normfree.nets.residual import ResidualSum


class Rescaled(ResidualSum):
    """``sqrt(k / (k + 1)) * shortcut + multiplier / sqrt(L) * branch``: L blocks, k from L - 1, multiplier first 1."""

    def __init__(self, index: int, blocks: int) -> None:
        super().__init__()
        k = blocks - 1 + index
        self.shortcut_scale = math.sqrt(k / (k + 1))
        self.branch_scale = 1 / math.sqrt(blocks)
        self.multiplier = nn.Parameter(torch.ones(()))

    def factor(self) -> Tensor:
        return self.multiplier * self.branch_scale


@torch.no_grad()
def rescale_(network: nn.Module) -> None:
    """He's values; in a branch of m convolutions times ``(L / (k + 1)) ** (1 / (2 m))``.

    So a branch adds ``1 / (k + 1)`` to the variance, of which the shortcut keeps ``k / (k + 1)``.
    """
    he_normal_(network)
    all_branches = list(branches(network))
    blocks = len(all_branches)
    for index, convs in enumerate(all_branches):
        for conv in convs:
            scale = (blocks / (blocks + index)) ** (1 / (2 * len(convs)))
            nn.init.normal_(conv.weight, std=scale * math.sqrt(2 / fan_in(conv.weight)))


register(
    Normalizer(
        name="rescale",
        title="RescaleNet",
        sees="none",
        source="Shao et al. 2020 (NeurIPS); biases begin at 0, where the paper subtracts the mean of the first 8 "
        "batches, with which the network would depend on how a batch is cut",
        formula="y = x + bias; block: sqrt(k / (k + 1)) * x + multiplier / sqrt(L) * branch(x), L blocks, k from L - "
        "1; branches of m convolutions begin at He's values times (L / (k + 1)) ** (1 / (2 m))",
        layer=ChannelBias,
        linear=nothing,
        folds=True,
        residual=Rescaled,
        initialise=rescale_,
        advice="No statistics, and branches open from the first step.",
    )
)
