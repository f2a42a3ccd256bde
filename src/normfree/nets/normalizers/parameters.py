"""Gains and biases a channel, as most normalisers end with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelAffine(nn.Module):
    """Base of layers with ``weight [C]``, first 1, and ``bias [C]``, first 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def scaled(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        """``weight * factor * x + bias`` in one pass over ``x [N, C, H, W]``; `factor` is ``[N, C, 1, 1]``."""
        weight = over_map(self.weight)
        if factor is not None:
            weight = weight * factor
        return torch.addcmul(over_map(self.bias).to(x.dtype), x, weight.to(x.dtype))

    def extra_repr(self) -> str:
        return str(self.channels)


def over_map(parameter: Tensor) -> Tensor:
    """``[C] -> [C, 1, 1]``."""
    return parameter.view(-1, 1, 1)


class ChannelBias(nn.Module):
    """``x + bias``, a bias a channel, first 0: ``[N, C, H, W] -> [N, C, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + over_map(self.bias).to(x.dtype)


def in_groups(x: Tensor, groups: int) -> Tensor:
    """``[N, C, H, W] -> [N, G, C / G, H, W]`` without a copy, in either memory format."""
    batch, channels, height, width = x.shape
    return x.view(batch, groups, channels // groups, height, width)
