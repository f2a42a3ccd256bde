"""InstanceNorm: mean and variance of each channel of one image, which is GroupNorm with a group a channel."""

from __future__ import annotations

from torch import nn

from normfree.nets.normalizers import Normalizer, register


def instance_norm(channels: int) -> nn.GroupNorm:
    """Over ``[H, W]``, with a gain and a bias a channel. A map of one pixel is normalised to 0."""
    return nn.GroupNorm(channels, channels)


register(
    Normalizer(
        name="instancenorm",
        title="InstanceNorm",
        sees="sample",
        source="Ulyanov et al. 2016, arXiv 1607.08022",
        formula="y = gain * (x - mean) / sqrt(var + 1e-5) + bias; mean and var of one channel of one image",
        layer=instance_norm,
        advice="Takes from each channel how strongly it answers as a whole, which is what the global average pool "
        "before the classifier reads: in a ResNet it is usually worse than GroupNorm. Maps of one pixel become 0.",
    )
)
