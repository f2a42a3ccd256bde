"""LayerNorm over all channels and pixels of an image, which is GroupNorm with one group."""

from __future__ import annotations

from torch import nn

from normfree.nets.normalizers import Normalizer, register


def layer_norm(channels: int) -> nn.GroupNorm:
    """Over ``[C, H, W]``, with a gain and a bias a channel."""
    return nn.GroupNorm(1, channels)


register(
    Normalizer(
        name="layernorm",
        title="LayerNorm",
        sees="sample",
        source="Ba et al. 2016, arXiv 1607.06450, as in Wu & He 2018; that of ConvNeXt is of each pixel",
        formula="y = gain * (x - mean) / sqrt(var + 1e-5) + bias; mean and var of one image over channels and pixels",
        layer=layer_norm,
        advice="The coarsest statistics of a sample: channels keep their differences.",
    )
)
