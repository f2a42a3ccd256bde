"""Filter Response Normalization with its thresholded linear unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from normfree.nets.normalizers import Normalizer, register
from normfree.nets.normalizers.parameters import ChannelAffine, over_map

EPS = 1e-6


class FilterResponseNorm(ChannelAffine):
    """``weight * x / sqrt(mean(x ** 2) + eps) + bias``, the mean over a channel of one image."""

    def __init__(self, channels: int, eps: float = EPS) -> None:
        super().__init__(channels)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True, dtype=_wide(x))
        mean_square = norm.square() / (x.shape[2] * x.shape[3])
        return self.scaled(x, (mean_square + self.eps).rsqrt())


class FilterResponseNormTLU(FilterResponseNorm):
    """The same, then ``max(y, tau)`` with a threshold a channel, first 0."""

    def __init__(self, channels: int, eps: float = EPS) -> None:
        super().__init__(channels, eps)
        self.tau = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return torch.maximum(y, over_map(self.tau).to(y.dtype))


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


register(
    Normalizer(
        name="frn",
        title="FRN with TLU",
        sees="sample",
        source="Singh & Krishnan 2020, arXiv 1911.09737; eps is not learnt",
        formula="y = max(gain * x / sqrt(mean(x ** 2) + 1e-6) + bias, tau); mean over one channel of one image",
        layer=FilterResponseNormTLU,
        activation="replaced",
        linear=FilterResponseNorm,
        advice="Brings its own nonlinearity, so model.activation is refused beside it. The paper ramps the learning "
        "rate up; maps of one pixel keep nothing but their sign.",
    )
)
