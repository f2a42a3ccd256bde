"""What takes no statistics: nothing at all, functions of each value, and weights of branches."""

from normfree.config.normalizers.facts import NormalizerFacts

NORMALIZERS = (NormalizerFacts("none", "no normaliser", "none"),)
