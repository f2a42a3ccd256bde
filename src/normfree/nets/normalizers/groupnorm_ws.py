"""GroupNorm behind convolutions whose weights are standardised."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.groupnorm import group_norm
from normfree.nets.padding import SameConv2d

EPS = 1e-6


class StandardizedConv2d(SameConv2d):
    """A convolution by ``(w - mean) / sqrt(var + 1e-6)``, mean and population variance of each filter; no gain."""

    def effective(self) -> Tensor:
        filters = self.weight.reshape(1, self.out_channels, -1)
        standardized = F.batch_norm(filters, None, None, training=True, momentum=0.0, eps=EPS)
        return standardized.reshape_as(self.weight)


register(
    Normalizer(
        name="groupnorm_ws",
        title="GroupNorm with weight standardisation",
        sees="sample",
        source="Qiao et al. 2019, arXiv 1903.10520, with timm's place of eps; without the scale and gain of NF "
        "networks",
        formula="GroupNorm; every convolution, the stem and projections among them, by (w - mean) / sqrt(var + 1e-6)",
        layer=group_norm,
        options={"groups": None, "channels_per_group": None},
        folds=True,
        conv=StandardizedConv2d,
        advice="The usual companion of GroupNorm at small batches per device (BiT). fold works the weights out once "
        "and leaves GroupNorm in place.",
    )
)
