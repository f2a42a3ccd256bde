"""What takes no statistics: nothing at all, functions of each value, and weights of branches."""

from normfree.config.normalizers.facts import NormalizerFacts

_POINTWISE = ("alpha_init", "preserve_variance")

NORMALIZERS = (
    NormalizerFacts("none", "no normaliser", "none"),
    NormalizerFacts("dyt", "DyT", "none", _POINTWISE),
    NormalizerFacts("derf", "Derf", "none", _POINTWISE),
    NormalizerFacts("fixup", "Fixup", "none"),
    NormalizerFacts("skipinit", "SkipInit", "none", skip_gains=True),
    NormalizerFacts("rezero", "ReZero", "none", skip_gains=True),
    NormalizerFacts("rescale", "RescaleNet", "none"),
)
