"""What NF blocks do to whole maps beside convolutions, in one pass each; CUDA kernels, for maps in channels-last.

Plain operations take a pass of its own for a convolution's bias, which has no vectors in this format, for the bias'
gradient, for a gate's product and for its sum. Here a bias is added as the activation is taken, and its gradient summed
as the activation's is; the residual's two gradients are one pass. Sums are in float32, in an order that is always the
same. Needs Triton.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

ROWS, COLUMNS = 32, 64
"""Pixels and channels of a tile."""
PIXELS = 16
"""Of a tile of gradients, which need more registers for each."""
_PROGRAMS = 1024
"""About so many share a sum's rows: several for each of a GPU's processors."""


@triton.jit  # type: ignore[untyped-decorator]
def _activated(z, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "gelu":
        y = z * tl.sigmoid(1.5957691216057308 * z * (1 + 0.044715 * z * z))
    elif ACTIVATION == "gelu_erf":
        y = 0.5 * z * (1 + tl.erf(z * 0.7071067811865476))
    elif ACTIVATION == "silu":
        y = z * tl.sigmoid(z)
    elif ACTIVATION == "relu":
        y = tl.where(z < 0, 0.0, z)  # NaN is kept
    else:
        y = z
    return y


@triton.jit  # type: ignore[untyped-decorator]
def _slope(z, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "gelu":
        s = tl.sigmoid(1.5957691216057308 * z * (1 + 0.044715 * z * z))
        slope = s + z * s * (1 - s) * 1.5957691216057308 * (1 + 0.134145 * z * z)
    elif ACTIVATION == "gelu_erf":
        slope = 0.5 * (1 + tl.erf(z * 0.7071067811865476)) + z * 0.3989422804014327 * tl.exp(-0.5 * z * z)
    elif ACTIVATION == "silu":
        s = tl.sigmoid(z)
        slope = s + z * s * (1 - s)
    else:
        slope = tl.where(z > 0, 1.0, 0.0)
    return slope


@triton.jit  # type: ignore[untyped-decorator]
def bias_activation_kernel(  # type: ignore[no-untyped-def]
    x,  # [rows, channels]
    bias,  # [channels]
    y,  # out, like x
    rows,
    channels,
    ACTIVATION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (r < rows)[:, None] & (c < channels)[None, :]
    at = r[:, None].to(tl.int64) * channels + c[None, :]
    z = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    z += tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)[None, :]
    tl.store(y + at, _activated(z, ACTIVATION).to(y.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def bias_activation_backward_kernel(  # type: ignore[no-untyped-def]
    x,  # [rows, channels]; for "relu" the activations
    bias,  # [channels]
    gradient,  # of the activations, like x
    d_x,  # out, like x; not written for "identity", whose gradient it would repeat
    sums,  # out, [programs along rows, channels], float32: of d_x over this program's rows
    rows,
    channels,
    share,
    ACTIVATION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    b = tl.load(bias + c, mask=c < channels, other=0.0).to(tl.float32)[None, :]
    first = tl.program_id(0) * share
    summed = tl.zeros([ROWS, COLUMNS], tl.float32)
    for start in range(0, share, ROWS):
        r = first + start + tl.arange(0, ROWS)
        inside = (r < rows)[:, None] & (c < channels)[None, :]
        at = r[:, None].to(tl.int64) * channels + c[None, :]
        g = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
        if ACTIVATION != "identity":
            z = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
            if ACTIVATION != "relu":
                z += b
            g *= _slope(z, ACTIVATION)
            tl.store(d_x + at, g.to(d_x.dtype.element_ty), mask=inside)
        summed += tl.where(inside, g, 0.0)
    tl.store(sums + tl.program_id(0).to(tl.int64) * channels + c, tl.sum(summed, axis=0), mask=c < channels)


@triton.jit  # type: ignore[untyped-decorator]
def residual_kernel(  # type: ignore[no-untyped-def]
    shortcut,  # [rows, channels]: `pixels` rows a sample
    branch,  # likewise
    factor,  # [samples, channels]
    summed,  # out, like branch
    rows,
    channels,
    pixels,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    r = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (r < rows)[:, None] & (c < channels)[None, :]
    at = r[:, None].to(tl.int64) * channels + c[None, :]
    f = tl.load(factor + (r // pixels)[:, None].to(tl.int64) * channels + c[None, :], mask=inside, other=0.0)
    b = tl.load(branch + at, mask=inside, other=0.0).to(tl.float32)
    s = tl.load(shortcut + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(summed + at, (s + b * f.to(tl.float32)).to(summed.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def residual_backward_kernel(  # type: ignore[no-untyped-def]
    branch,  # [samples * pixels, channels]
    factor,  # [samples, channels]
    gradient,  # of the sum, like branch
    d_branch,  # out, like branch
    sums,  # out, [programs of a sample, samples, channels], float32: of d_factor over this program's pixels
    samples,
    channels,
    pixels,
    share,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    sample = tl.program_id(0)
    c = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    of_sample = sample.to(tl.int64) * channels
    f = tl.load(factor + of_sample + c, mask=c < channels, other=0.0).to(tl.float32)[None, :]
    first = tl.program_id(2) * share
    summed = tl.zeros([ROWS, COLUMNS], tl.float32)
    for start in range(0, share, ROWS):
        pixel = first + start + tl.arange(0, ROWS)
        inside = ((pixel < pixels) & (pixel < first + share))[:, None] & (c < channels)[None, :]
        at = of_sample * pixels + pixel[:, None].to(tl.int64) * channels + c[None, :]
        g = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(branch + at, mask=inside, other=0.0).to(tl.float32)
        tl.store(d_branch + at, (g * f).to(d_branch.dtype.element_ty), mask=inside)
        summed += g * b
    place = (tl.program_id(2).to(tl.int64) * samples + sample) * channels
    tl.store(sums + place + c, tl.sum(summed, axis=0), mask=c < channels)


class BiasActivation(torch.autograd.Function):
    """``activation(x + bias)`` of a map ``[N, C, H, W]`` in channels-last.

    In the place of `x` where that is not needed afterwards: for ``"identity"`` and ``"relu"``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, activation: str) -> Tensor:
        channels = x.shape[1]
        rows, bias = x.numel() // channels, bias.contiguous()
        overwritten = activation in ("identity", "relu")
        y = x if overwritten else torch.empty_like(x)
        with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
            bias_activation_kernel[(triton.cdiv(rows, ROWS), triton.cdiv(channels, COLUMNS))](
                x, bias, y, rows, channels, activation, ROWS, COLUMNS
            )
        if overwritten:
            ctx.mark_dirty(x)
        ctx.save_for_backward(None if activation == "identity" else x, bias)
        ctx.activation = activation
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, bias = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        d_x = grad if x is None else torch.empty_like(grad)
        channels = grad.shape[1]
        rows, across = grad.numel() // channels, triton.cdiv(channels, COLUMNS)
        share, programs = _shares(rows, across, PIXELS)
        sums = torch.empty((programs, channels), dtype=torch.float32, device=grad.device)
        with torch.cuda.device_of(grad):  # type: ignore[no-untyped-call]
            bias_activation_backward_kernel[(programs, across)](
                grad if x is None else x, bias, grad, d_x, sums, rows, channels, share, ctx.activation, PIXELS, COLUMNS
            )
        return d_x, sums.sum(0).to(bias.dtype), None


class ScaledResidual(torch.autograd.Function):
    """``shortcut + branch * factor`` of maps ``[N, C, H, W]`` in channels-last and a factor ``[N, C, 1, 1]``."""

    @staticmethod
    def forward(ctx: FunctionCtx, shortcut: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
        channels = branch.shape[1]
        rows, pixels = branch.numel() // channels, branch.shape[2] * branch.shape[3]
        summed = torch.empty_like(branch)
        with torch.cuda.device_of(branch):  # type: ignore[no-untyped-call]
            residual_kernel[(triton.cdiv(rows, ROWS), triton.cdiv(channels, COLUMNS))](
                shortcut, branch, factor, summed, rows, channels, pixels, ROWS, COLUMNS
            )
        ctx.save_for_backward(branch, factor)
        return summed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        branch, factor = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        samples, channels, height, width = branch.shape
        across = triton.cdiv(channels, COLUMNS)
        share, programs = _shares(height * width, samples * across, PIXELS)
        d_branch = torch.empty_like(branch)
        sums = torch.empty((programs, samples, channels), dtype=torch.float32, device=grad.device)
        with torch.cuda.device_of(grad):  # type: ignore[no-untyped-call]
            residual_backward_kernel[(samples, across, programs)](
                branch, factor, grad, d_branch, sums, samples, channels, height * width, share, PIXELS, COLUMNS
            )
        return grad, d_branch, sums.sum(0).to(factor.dtype).view(factor.shape)


def _shares(rows: int, others: int, tile: int) -> tuple[int, int]:
    """Rows of a program, a multiple of a `tile`'s, and the number of programs along them, of `others` beside each."""
    wanted = max(1, _PROGRAMS // others)
    share = triton.cdiv(triton.cdiv(rows, wanted), tile) * tile
    return share, triton.cdiv(rows, share)
