"""BatchNorm, with ghost batches; under SyncBN over all ranks, or frozen."""

from normfree.nets.batch_norm import GhostBatchNorm2d
from normfree.nets.normalizers import Normalization, Normalizer, register

_KIND = Normalizer(
    name="batchnorm",
    title="BatchNorm",
    sees="batch",
    source="Ioffe & Szegedy 2015, arXiv 1502.03167; ghost batches: Hoffer et al. 2017, arXiv 1705.08741",
    formula="y = gain * (x - mean) / sqrt(var + 1e-5) + bias; mean and var of a channel over the micro batch",
    layer=GhostBatchNorm2d,
    options={"ghost_batch": None},
    folds=True,
    advice="The baseline. Statistics change with the micro batch: see model.ghost_batch, model.sync_norm and "
    "model.freeze_norm. Not with per-sample gradients or statistics of few images.",
)

register(_KIND)

BATCHNORM = Normalization(_KIND)
"""Over the whole micro batch."""
