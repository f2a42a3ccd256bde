"""Normalisers whose statistics see one image at a time."""

from normfree.config.normalizers.facts import NormalizerFacts

NORMALIZERS = (
    NormalizerFacts("groupnorm", "GroupNorm", "sample", ("groups", "channels_per_group")),
    NormalizerFacts("layernorm", "LayerNorm", "sample"),
    NormalizerFacts("instancenorm", "InstanceNorm", "sample"),
)
