"""SkipInit: biases in the place of normalisers, and a gain on every branch that begins at 0."""

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.branches import SkipGain, he_normal_, nothing
from normfree.nets.normalizers.parameters import ChannelBias

register(
    Normalizer(
        name="skipinit",
        title="SkipInit",
        sees="none",
        source="De & Smith 2020, arXiv 2002.10444",
        formula="y = x + bias; block: x + skip_gain * branch(x), skip_gain a scalar, first 0; He's initial values",
        layer=ChannelBias,
        linear=nothing,
        folds=True,
        residual=SkipGain,
        initialise=he_normal_,
        advice="The gain alone, without NF networks' weight standardisation: a fresh network is its shortcuts. At "
        "low rates and with clipping, gains can stay closed, which is told as stalled.",
    )
)
