"""Normalisers whose statistics see one image at a time."""

from normfree.config.normalizers.facts import NormalizerFacts

_GROUPS = ("groups", "channels_per_group")

NORMALIZERS = (
    NormalizerFacts("groupnorm", "GroupNorm", "sample", _GROUPS),
    NormalizerFacts("groupnorm_ws", "GroupNorm with weight standardisation", "sample", _GROUPS),
    NormalizerFacts("layernorm", "LayerNorm", "sample"),
    NormalizerFacts("instancenorm", "InstanceNorm", "sample"),
    NormalizerFacts("frn", "FRN with TLU", "sample", own_activation=True),
    NormalizerFacts("evonorm_s0", "EvoNorm-S0", "sample", _GROUPS, own_activation=True),
)
