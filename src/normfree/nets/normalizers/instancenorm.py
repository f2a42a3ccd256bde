"""InstanceNorm: mean and variance of each channel of one image, which is GroupNorm with a group a channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.nets.normalizers import Normalizer, register


class InstanceNorm2d(nn.GroupNorm):
    """Over ``[H, W]``, with a gain and a bias a channel. A map of one pixel is normalised to 0."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        # torch is three times as slow at groups of one channel in this layout, and knows no single pixels in the other.
        if x.is_contiguous() or x.shape[2] * x.shape[3] == 1:
            return super().forward(x)
        y = F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        return y.contiguous(memory_format=torch.channels_last)


register(
    Normalizer(
        name="instancenorm",
        title="InstanceNorm",
        sees="sample",
        source="Ulyanov et al. 2016, arXiv 1607.08022",
        formula="y = gain * (x - mean) / sqrt(var + 1e-5) + bias; mean and var of one channel of one image",
        layer=InstanceNorm2d,
        advice="Takes from each channel how strongly it answers as a whole, which is what the global average pool "
        "before the classifier reads: in a ResNet it is usually worse than GroupNorm. Maps of one pixel become 0.",
    )
)
