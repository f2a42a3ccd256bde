"""Convolutions in bfloat16 on processors that have no arithmetic for it.

There oneDNN's own bfloat16 convolutions take several times as long as float32 ones. Here the rounded inputs are
widened, which is exact, convolved in float32, and the result is rounded: what bfloat16 hardware with its float32
sums does. Only bfloat16 tensors are kept for the backward pass.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_WIDE_ELEMENTS = 1 << 20


@cache
def _without_bfloat16_arithmetic() -> bool:
    # What torch does not tell is taken for hardware that has it; of other architectures it tells nothing.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    known = [getattr(torch.cpu, name)() for name in checks if hasattr(torch.cpu, name)]
    return platform.machine() in ("x86_64", "AMD64") and bool(known) and not any(known)


def is_emulated(x: Tensor) -> bool:
    """Whether a convolution of `x` would be one in bfloat16, by its dtype or by autocast, without hardware for it."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    return dtype == torch.bfloat16 and x.dtype != torch.float64 and _without_bfloat16_arithmetic()


class _WideConv2d(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int], groups: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        ctx.place = ((stride, stride), padding, (1, 1), False, (0, 0), groups)
        wide_bias = None if bias is None else bias.float()
        return F.conv2d(x.float(), weight.float(), wide_bias, stride, padding, 1, groups).bfloat16()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wide_weight = weight.float()
        d_x = d_weight = d_bias = None
        if ctx.needs_input_grad[1]:
            _, of_weight, of_bias = torch.ops.aten.convolution_backward(
                grad.float(), x.float(), wide_weight, [len(weight)], *ctx.place, (False, True, ctx.biased)
            )
            d_weight, d_bias = of_weight.bfloat16(), of_bias.bfloat16() if ctx.biased else None
            del of_weight
        if ctx.needs_input_grad[0]:
            d_x = torch.empty_like(x)
            # Some samples at a time, so that no wide map of the whole batch is there. Of x the shape is enough, but
            # torch's kernels for processors without AVX want one type.
            samples = max(1, _WIDE_ELEMENTS * len(x) // max(x.numel(), grad.numel()))
            for start in range(0, len(x), samples):
                part = slice(start, start + samples)
                shape = torch.empty_like(x[part], dtype=torch.float32)
                d_x[part] = torch.ops.aten.convolution_backward(
                    grad[part].float(), shape, wide_weight, None, *ctx.place, (True, False, False)
                )[0]
        return d_x, d_weight, d_bias, None, None, None


def wide_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: tuple[int, int], groups: int
) -> Tensor:
    """``F.conv2d`` of `x`, `weight` and `bias` rounded to bfloat16, computed in float32, rounded to bfloat16."""
    narrow_bias = None if bias is None else bias.bfloat16()
    with torch.autocast("cpu", enabled=False):
        result: Tensor = _WideConv2d.apply(  # type: ignore[no-untyped-call]
            x.bfloat16(), weight.bfloat16(), narrow_bias, stride, padding, groups
        )
    return result
