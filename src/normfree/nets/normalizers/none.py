"""No normaliser at all: the floor that everything else is held against."""

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.branches import he_normal_, nothing

register(
    Normalizer(
        name="none",
        title="no normaliser",
        sees="none",
        source="initial values of He et al. 2015, arXiv 1502.01852",
        formula="y = x",
        layer=nothing,
        overwritable=False,
        folds=True,
        initialise=he_normal_,
        advice="The floor. Branches add up unchecked: deep networks need low learning rates, or clipping.",
    )
)
