"""What normalisers without statistics share: places, weights of branches and initial values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from normfree.nets.initializers import fan_in
from normfree.nets.padding import SameConv2d
from normfree.nets.residual import BranchBlock, ResidualSum


def nothing(channels: int) -> nn.Identity:
    """Its input."""
    return nn.Identity()


def he_normal_(network: nn.Module) -> None:
    """Every convolution from ``N(0, 2 / fan_in)`` (He et al. 2015), which keeps the variance under a ReLU."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in(module.weight)))


def branches(network: nn.Module) -> Iterator[list[SameConv2d]]:
    """The convolutions of each block's branch in order, block by block in depth order; not those of shortcuts."""
    for block in network.modules():
        if isinstance(block, BranchBlock):
            named = block.named_children()
            yield [conv for name, conv in named if isinstance(conv, SameConv2d) and name != "conv_shortcut"]


class SkipGain(ResidualSum):
    """``shortcut + skip_gain * branch``: a learnable scalar, first 0, so that every branch begins closed."""

    def __init__(self, index: int, blocks: int) -> None:
        super().__init__()
        self.skip_gain = nn.Parameter(torch.zeros(()))

    def factor(self) -> Tensor:
        return self.skip_gain
