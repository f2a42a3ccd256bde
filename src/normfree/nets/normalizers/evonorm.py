"""EvoNorm layers: a normaliser and its nonlinearity, found by search."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from normfree.nets.normalizers.groupnorm import group_count
from normfree.nets.normalizers.parameters import ChannelAffine, in_groups, over_map


class EvoNormS0(ChannelAffine):
    """``weight * x * sigmoid(v * x) / std + bias``, the std over a group of channels of one image.

    Args:
        linear: without ``sigmoid(v * x)``, for places that no nonlinearity follows.
    """

    def __init__(
        self,
        channels: int,
        groups: int | None = None,
        channels_per_group: int | None = None,
        eps: float = 1e-5,
        linear: bool = False,
    ) -> None:
        super().__init__(channels)
        self.groups = group_count(channels, groups, channels_per_group)
        self.eps = eps
        self.v = None if linear else nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        variance = _variance(in_groups(x, self.groups))
        inverse = (variance + self.eps).rsqrt().repeat_interleave(self.channels // self.groups, 1)
        gated = x if self.v is None else x * torch.sigmoid(x * over_map(self.v).to(x.dtype))
        return self.scaled(gated, inverse)


class EvoNormB0(ChannelAffine):
    """``weight * x / max(std of the batch, v * x + std of the image) + bias``, both a channel; v first 1.

    In evaluation the batch's is a running variance (unbiased, momentum 0.1), as BatchNorm's.

    Args:
        linear: the batch's alone, for places that no nonlinearity follows.
    """

    sees_batch = True
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-3, momentum: float = 0.1, linear: bool = False) -> None:
        super().__init__(channels)
        self.eps = eps
        self.momentum = momentum
        self.v = None if linear else nn.Parameter(torch.ones(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        of_image, mean = torch.var_mean(x.to(_wide(x)), (2, 3), correction=0, keepdim=True)
        variance = self.running_var.view(1, -1, 1, 1)
        if self.training:
            # Of the parts of a whole: the mean of their variances, and the variance of their means.
            variance = of_image.mean(0, keepdim=True) + mean.var(0, correction=0, keepdim=True)
            count = x.numel() // x.shape[1]
            with torch.no_grad():
                unbiased = variance.flatten() * (count / max(count - 1, 1))
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        of_batch = (variance + self.eps).sqrt().to(x.dtype)
        if self.v is None:
            return self.scaled(x / of_batch)
        of_image = (of_image + self.eps).sqrt().to(x.dtype)
        sensed = torch.addcmul(of_image, x, over_map(self.v).to(x.dtype))
        return self.scaled(x / torch.maximum(of_batch, sensed))


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _variance(grouped: Tensor) -> Tensor:
    """``[N, G, C / G, H, W] -> [N, G, 1, 1]``, in float32 at least."""
    return torch.var(grouped.to(_wide(grouped)), (2, 3, 4), correction=0)[:, :, None, None]
