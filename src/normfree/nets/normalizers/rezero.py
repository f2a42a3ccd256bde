"""ReZero: no normaliser, and a gain on every branch that begins at 0."""

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.branches import SkipGain, he_normal_, nothing

register(
    Normalizer(
        name="rezero",
        title="ReZero",
        sees="none",
        source="Bachlechner et al. 2020, arXiv 2003.04887",
        formula="y = x; block: x + skip_gain * branch(x), skip_gain a scalar, first 0; He's initial values",
        layer=nothing,
        overwritable=False,
        folds=True,
        residual=SkipGain,
        initialise=he_normal_,
        advice="SkipInit without its biases. At low rates and with clipping, gains can stay closed, which is told as "
        "stalled.",
    )
)
