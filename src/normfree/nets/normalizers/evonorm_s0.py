"""EvoNorm-S0, whose statistics see a sample."""

from functools import partial

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.evonorm import EvoNormS0

register(
    Normalizer(
        name="evonorm_s0",
        title="EvoNorm-S0",
        sees="sample",
        source="Liu et al. 2020, arXiv 2004.02967; groups as GroupNorm's here",
        formula="y = gain * x * sigmoid(v * x) / sqrt(var + 1e-5) + bias; var of a group of channels of one image",
        layer=EvoNormS0,
        activation="replaced",
        linear=partial(EvoNormS0, linear=True),
        options={"groups": None, "channels_per_group": None},
        advice="Brings its own nonlinearity, so model.activation is refused beside it. Where a post-activation block "
        "has no nonlinearity before its sum, the sigmoid is left out there.",
    )
)
