"""Normalisers whose statistics see the other images of a micro batch."""

from normfree.config.normalizers.facts import NormalizerFacts

NORMALIZERS = (NormalizerFacts("batchnorm", "BatchNorm", "batch", ("ghost_batch",)),)
