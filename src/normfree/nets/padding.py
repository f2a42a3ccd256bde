"""'SAME' padding as TensorFlow and JAX define it.

``out = ceil(in / stride)``; what has to be added is ``max((out - 1) * stride + kernel - in, 0)``, the
smaller half before and the larger half after. With stride 2 this is not what ``padding=1`` does: the
windows sit on other pixels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import has_torch_function_unary

from normfree.nets.emulated_bfloat16 import is_emulated, wide_conv2d
from normfree.nets.initializers import truncated_lecun_normal_
from normfree.nets.traced import traced


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels to add (before, after) along a side of `size` pixels."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def same_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, groups: int) -> Tensor:
    """2-D convolution with 'SAME' padding: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    Copies the input only where the padding is asymmetric, which needs stride > 1.
    """
    top, bottom = same_padding(x.shape[2], weight.shape[2], stride)
    left, right = same_padding(x.shape[3], weight.shape[3], stride)
    padding = (top, left)
    if top != bottom or left != right:
        x, padding = F.pad(x, (left, right, top, bottom)), (0, 0)
    if is_emulated(x):
        return wide_conv2d(x, weight, bias, stride, padding, groups)
    return F.conv2d(x, weight, bias, stride, padding, 1, groups)


def same_max_pool2d(x: Tensor) -> Tensor:
    """3x3 max-pool of stride 2 with 'SAME' padding by minus infinity: ``[N, C, ceil(H/2), ceil(W/2)]``.

    Along an even side nothing precedes and one pixel follows, which is what ``ceil_mode`` gives without
    a copy; along an odd side one pixel is added at both ends.
    """
    return F.max_pool2d(x, 3, 2, (x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)


class _HalvingPool(torch.autograd.Function):
    """2x2 average-pool of even sides; its gradient is a quarter of each pixel's, four times, which torch is slow at."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return F.interpolate(grad * 0.25, scale_factor=2.0, mode="nearest")


def same_avg_pool2d(x: Tensor) -> Tensor:
    """2x2 average-pool of stride 2 over the pixels that exist: ``[N, C, ceil(H/2), ceil(W/2)]``."""
    plain = traced() or has_torch_function_unary(x) or not torch.is_grad_enabled()
    if plain or not x.is_cuda or x.shape[2] % 2 or x.shape[3] % 2:
        return F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
    pooled: Tensor = _HalvingPool.apply(x)  # type: ignore[no-untyped-call]
    return pooled


class SameConv2d(nn.Conv2d):
    """Plain convolution without bias, 'SAME' padding, initialised as the released BatchNorm baseline is.

    Weight ``[Cout, Cin / groups, k, k]``: truncated normal of scale ``1 / sqrt(fan_in)``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)

    def reset_parameters(self) -> None:
        truncated_lecun_normal_(self.weight)

    def effective(self) -> Tensor:
        """The weight that the convolution uses."""
        return self.weight

    def forward(self, x: Tensor, output_scale: Tensor | None = None, output_bias: Tensor | None = None) -> Tensor:
        """``output_scale * conv(x) + output_bias``, both of shape ``()``; None for 1 and 0."""
        weight = self.effective()
        if output_scale is not None:
            weight = weight * output_scale
        bias = self.bias if output_bias is None else output_bias.expand(self.out_channels)
        return same_conv2d(x, weight, bias, self.stride[0], self.groups)
