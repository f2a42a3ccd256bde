"""The mean over a map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from normfree.nets.traced import traced


class _SpatialMean(torch.autograd.Function):
    """``mean((2, 3))`` whose gradient is a view of one number a channel, not a map written out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x.mean((2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        height, width = ctx.shape[2:]
        per_pixel: Tensor = grad / (height * width)
        return per_pixel[:, :, None, None].expand(ctx.shape)


def spatial_mean(x: Tensor) -> Tensor:
    """``[N, C, H, W] -> [N, C]``. Differentiable once."""
    if traced() or not torch.is_grad_enabled():
        return x.mean((2, 3))
    mean: Tensor = _SpatialMean.apply(x)  # type: ignore[no-untyped-call]
    return mean
