"""Weight standardisation in one CUDA kernel a weight, and its gradient in another; needs Triton.

One program a filter. Plain operations read and write a weight some ten times forward and twenty times backward; here
it is read and its result written once, in the type that the convolution takes (under autocast the short one). Nothing
of a weight's size is kept for the backward pass: it starts from the weight itself, a mean and a norm a filter.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]
def standardize_kernel(  # type: ignore[no-untyped-def]
    weight,  # [filters, fan_in], float32
    gain,  # [filters], float32
    standardized,  # out, like weight, in the convolution's type
    moments,  # out, [2, filters]: means, norms of the centred filters
    filters,
    fan_in,
    input_scale,
    floor,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    lanes = tl.arange(0, BLOCK)
    start_of_row = row.to(tl.int64) * fan_in
    summed = tl.zeros([BLOCK], tl.float32)
    for start in range(0, fan_in, BLOCK):
        summed += tl.load(weight + start_of_row + start + lanes, mask=start + lanes < fan_in, other=0.0)
    mean = tl.sum(summed, axis=0) / fan_in
    squared = tl.zeros([BLOCK], tl.float32)
    for start in range(0, fan_in, BLOCK):
        inside = start + lanes < fan_in
        centred = tl.load(weight + start_of_row + start + lanes, mask=inside, other=0.0) - mean
        squared += tl.where(inside, centred * centred, 0.0)
    norm = tl.sqrt(tl.sum(squared, axis=0))
    # NaN is kept: a comparison with it is false.
    scale = tl.load(gain + row) * (input_scale / tl.where(norm < floor, floor, norm))
    for start in range(0, fan_in, BLOCK):
        inside = start + lanes < fan_in
        centred = tl.load(weight + start_of_row + start + lanes, mask=inside, other=0.0) - mean
        written = (centred * scale).to(standardized.dtype.element_ty)
        tl.store(standardized + start_of_row + start + lanes, written, mask=inside)
    tl.store(moments + row, mean)
    tl.store(moments + filters + row, norm)


@triton.jit  # type: ignore[untyped-decorator]
def standardize_backward_kernel(  # type: ignore[no-untyped-def]
    weight,  # [filters, fan_in], float32
    gain,  # [filters], float32
    moments,  # [2, filters]
    gradient,  # of the standardised weight, in the convolution's type
    d_weight,  # out, like weight
    d_gain,  # out, like gain
    filters,
    fan_in,
    input_scale,
    floor,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    lanes = tl.arange(0, BLOCK)
    start_of_row = row.to(tl.int64) * fan_in
    mean = tl.load(moments + row)
    norm = tl.load(moments + filters + row)
    summed = tl.zeros([BLOCK], tl.float32)
    dotted = tl.zeros([BLOCK], tl.float32)
    for start in range(0, fan_in, BLOCK):
        inside = start + lanes < fan_in
        g = tl.load(gradient + start_of_row + start + lanes, mask=inside, other=0.0).to(tl.float32)
        centred = tl.load(weight + start_of_row + start + lanes, mask=inside, other=0.0) - mean
        summed += g
        dotted += g * centred
    g_mean = tl.sum(summed, axis=0) / fan_in
    along = tl.sum(dotted, axis=0)
    floored = tl.where(norm < floor, floor, norm)
    inverse = input_scale / floored
    scale = tl.load(gain + row) * inverse
    curvature = tl.where(norm <= floor, 0.0, along * scale / (floored * floored))
    for start in range(0, fan_in, BLOCK):
        inside = start + lanes < fan_in
        g = tl.load(gradient + start_of_row + start + lanes, mask=inside, other=0.0).to(tl.float32)
        centred = tl.load(weight + start_of_row + start + lanes, mask=inside, other=0.0) - mean
        tl.store(d_weight + start_of_row + start + lanes, (g - g_mean) * scale - centred * curvature, mask=inside)
    tl.store(d_gain + row, along * inverse)


class StandardizeByKernel(torch.autograd.Function):
    """``(weight, gain, input_scale, floor, dtype) -> w_hat``: `weight` and `gain` in float32, w_hat in `dtype`.

    `weight` is dense ``[Cout, ...]`` with each filter in one piece of memory (either memory format); `floor` is that
    of the centred filters' norms.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, weight: Tensor, gain: Tensor, input_scale: float, floor: float, dtype: torch.dtype
    ) -> Tensor:
        filters = weight.shape[0]
        gain = gain.contiguous()
        standardized = torch.empty_like(weight, dtype=dtype)
        moments = torch.empty((2, filters), dtype=torch.float32, device=weight.device)
        # Triton launches on the current device.
        with torch.cuda.device_of(weight):  # type: ignore[no-untyped-call]
            standardize_kernel[(filters,)](
                weight, gain, standardized, moments, filters, weight.numel() // filters, input_scale, floor, BLOCK
            )
        ctx.save_for_backward(weight, gain, moments)
        ctx.constants = (input_scale, floor)  # type: ignore[attr-defined]
        return standardized

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        weight, gain, moments = ctx.saved_tensors
        filters = weight.shape[0]
        grad = grad.contiguous(memory_format=torch.contiguous_format if weight.is_contiguous() else torch.channels_last)
        d_weight, d_gain = torch.empty_like(weight), torch.empty_like(gain)
        with torch.cuda.device_of(weight):  # type: ignore[no-untyped-call]
            standardize_backward_kernel[(filters,)](
                weight, gain, moments, grad, d_weight, d_gain, filters, weight.numel() // filters, *ctx.constants, BLOCK
            )
        return d_weight, d_gain, None, None, None
