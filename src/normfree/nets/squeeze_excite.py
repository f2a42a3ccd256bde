"""Squeeze-and-Excitation gates.

Source: Hu et al. 2018; NFNet paper (arXiv 2102.06171) appendix C. The paper writes a scaled GELU between
the two linears; the released code and weights use a plain ReLU, and so does this file.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from normfree.nets.initializers import truncated_lecun_normal_
from normfree.nets.pooling import spatial_mean


class SqueezeExcite(nn.Module):
    """Gate per sample and channel: ``[N, C, H, W] -> [N, C]`` in (0, 1).

    Mean over the map, linear to ``max(1, int(C * ratio))``, ReLU, linear to C, sigmoid.
    """

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = max(1, int(channels * ratio))
        self.reduce = nn.Linear(channels, hidden)
        self.expand = nn.Linear(hidden, channels)
        for linear in (self.reduce, self.expand):
            truncated_lecun_normal_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.reduce(spatial_mean(x)))
        return torch.sigmoid(self.expand(hidden))
