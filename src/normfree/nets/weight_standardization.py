"""Scaled weight standardisation.

Source: Brock et al. 2021 (arXiv 2101.08692), section 4.1 'Scaled Weight Standardization', with the
learnable gain and the variance floor of the released NFNet code. Per output channel, with fan-in N:

    w_hat = gain * (w - mean(w)) / sqrt(max(N * var(w), 1e-4))

`var` is the population variance, so ``N * var`` is the squared norm of the centred filter. The floor is
a maximum, not an addend. That rule is called ``deepmind``. The rule ``timm`` is that of timm's dm_nfnet, which adds
to the variance instead: the square root there is ``sqrt(N * (var(w) + 1e-5))``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from normfree.nets.errors import one_of
from normfree.nets.initializers import lecun_normal_
from normfree.nets.map_passes import biased_by_kernel, by_kernel, has_triton
from normfree.nets.padding import same_conv2d
from normfree.nets.traced import traced

STANDARDIZATIONS = ("deepmind", "timm")
VARIANCE_FLOOR = 1e-4
TIMM_VARIANCE_ADDEND = 1e-5
_FILTER = (1, 2, 3)
_BELOW_ANY_VARIANCE = 1e-30


def _standardize(weight: Tensor, gain: Tensor, input_scale: float) -> tuple[Tensor, ...]:
    """w_hat, and what its gradient needs: centred weight, its norm per filter, that inverted, scale."""
    centred = weight - weight.mean(_FILTER, keepdim=True)
    norm = torch.linalg.vector_norm(centred, dim=_FILTER, keepdim=True)
    inverse = input_scale / norm.clamp(min=VARIANCE_FLOOR**0.5)
    scale = gain.view(-1, 1, 1, 1) * inverse
    return centred * scale, centred, norm, inverse, scale


def standardize_by_formula(weight: Tensor, gain: Tensor, input_scale: float = 1.0) -> Tensor:
    """`standardize_weight` in operations that torch.compile and torch.func see through, on every device."""
    return _standardize(weight, gain, input_scale)[0]


class _Standardize(torch.autograd.Function):
    """The formula with its gradient written out, in fewer operations than autograd would record.

    With c the centred filter, G the gradient of w_hat and s = gain / norm:
    ``d_gain = <G, c> / norm`` and ``d_w = s * (G - mean(G)) - s * <G, c> / norm ** 2 * c``, whose last term
    is absent under the floor.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, gain: Tensor, input_scale: float) -> Tensor:
        standardized, *saved = _standardize(weight, gain, input_scale)
        ctx.save_for_backward(*saved)
        return standardized

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        centred, norm, inverse, scale = ctx.saved_tensors
        along = (grad * centred).sum(_FILTER, keepdim=True)
        curvature = along * scale / norm.square().clamp_(min=VARIANCE_FLOOR) * (norm > VARIANCE_FLOOR**0.5)
        d_weight = (grad - grad.mean(_FILTER, keepdim=True)).mul_(scale)
        d_weight.addcmul_(centred, curvature, value=-1)
        return d_weight, (along * inverse).view(-1), None


def _standardize_above_floor(weight: Tensor, gain: Tensor, input_scale: float) -> Tensor | None:
    """w_hat in half the time of the formula; None if a filter is under the floor or is not a number.

    A group of one filter, normalised and scaled per channel, is the formula without the floor; the addend is far
    below what a filter above the floor could notice. For processors: another device would have to be waited for.
    """
    # A 1x1 weight is contiguous in both formats. Given as channels_last, it would turn the network's maps to that.
    turned = weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    filters = weight.permute(0, 2, 3, 1) if turned else weight
    out_channels, fan_in = weight.shape[0], weight[0].numel()
    rows = filters.reshape(1, out_channels, fan_in)
    scale = gain * (input_scale * fan_in**-0.5)
    standardized, _, inverse_std = torch.native_group_norm(
        rows, scale, None, 1, out_channels, fan_in, out_channels, _BELOW_ANY_VARIANCE
    )
    if not bool(inverse_std.max() * VARIANCE_FLOOR**0.5 <= fan_in**0.5):
        return None
    standardized = standardized.view(filters.shape)
    return standardized.permute(0, 3, 1, 2) if turned else standardized


def _by_kernel(weight: Tensor, gain: Tensor, input_scale: float) -> Tensor | None:
    """w_hat by a Triton kernel, in the type that a convolution takes; None where it does not know the weight."""
    alike = weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last)
    if not alike or weight.dtype != torch.float32 or gain.dtype != torch.float32:
        return None
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else torch.float32
    # Importing Triton takes its time, and compiles for the device it finds.
    kernel = import_module("normfree.nets.standardization_kernels").StandardizeByKernel
    standardized: Tensor = kernel.apply(weight, gain, input_scale, VARIANCE_FLOOR**0.5, dtype)
    return standardized


def _standardize_as_timm(weight: Tensor, gain: Tensor, input_scale: float) -> Tensor:
    centred = weight - weight.mean(_FILTER, keepdim=True)
    addend = TIMM_VARIANCE_ADDEND * weight[0].numel()
    norm = (centred.square().sum(_FILTER, keepdim=True) + addend).sqrt()
    return centred * (input_scale * gain.view(-1, 1, 1, 1) / norm)


def standardize_weight(
    weight: Tensor, gain: Tensor, input_scale: float = 1.0, standardization: str = "deepmind"
) -> Tensor:
    """Standardised convolution weight, times `input_scale`. Differentiable once.

    Args:
        weight: ``[Cout, Cin / groups, kh, kw]``, in any memory format.
        gain: ``[Cout]``.
        input_scale: constant by which the convolution's input is to be multiplied.
        standardization: one of `STANDARDIZATIONS`.

    Returns:
        A tensor like `weight`, on CUDA under autocast in autocast's type. Half-precision weights are standardised in
        float32 and cast back.
    """
    dtype = weight.dtype
    if dtype in (torch.bfloat16, torch.float16):
        weight, gain = weight.float(), gain.float()
    standardized: Tensor | None = None
    if standardization == "timm":
        standardized = _standardize_as_timm(weight, gain, input_scale)
    elif traced():
        # A compiler fuses the plain formula and its derivative by itself.
        standardized = standardize_by_formula(weight, gain, input_scale)
    elif weight.device.type == "cpu":
        standardized = _standardize_above_floor(weight, gain, input_scale)
    elif weight.is_cuda and dtype == torch.float32 and has_triton():
        standardized = _by_kernel(weight, gain, input_scale)
        if standardized is not None:
            return standardized
    if standardized is None:
        standardized = _Standardize.apply(weight, gain, input_scale)  # type: ignore[no-untyped-call]
    return standardized.to(dtype)


class WSConv2d(nn.Module):
    """Weight-standardised convolution with 'SAME' padding: ``conv(input_scale * x, w_hat) + bias``.

    Parameters: ``weight [Cout, Cin / groups, k, k]`` from ``N(0, 1 / fan_in)``, ``gain [Cout]`` of ones,
    ``bias [Cout]`` of zeros. A convolution of fan-in 1 standardises to zero: its output is its bias.

    Args:
        input_scale: constant factor on the input (an activation's gamma, a block's 1 / expected_std),
            applied to the small weight instead of the large input.
        standardization: one of `STANDARDIZATIONS`; raises ValueError otherwise.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        input_scale: float = 1.0,
        standardization: str = "deepmind",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.groups = groups
        self.input_scale = input_scale
        self.standardization = one_of(standardization, STANDARDIZATIONS, "standardization")
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kernel_size, kernel_size))
        self.gain = nn.Parameter(torch.empty(out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (LeCun normal); gains become 1, biases 0."""
        lecun_normal_(self.weight)
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.bias)

    def effective(self, output_scale: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The weight and the bias that the convolution uses, `input_scale` and `output_scale` included."""
        gain = self.gain if output_scale is None else self.gain * output_scale
        bias = self.bias if output_scale is None else self.bias * output_scale
        return standardize_weight(self.weight, gain, self.input_scale, self.standardization), bias

    def forward(
        self, x: Tensor, output_scale: Tensor | None = None, activation: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """``activation(output_scale * (conv(input_scale * x, w_hat) + bias))``, in one pass after the convolution
        where the device allows; `output_scale` is a scalar, None for 1.
        """
        weight, bias = self.effective(output_scale)
        if by_kernel(x, self.out_channels / (self.in_channels * self.stride**2)):
            y = same_conv2d(x, weight, None, self.stride, self.groups)
            # Which format a convolution chooses is cuDNN's affair.
            return biased_by_kernel(y.contiguous(memory_format=torch.channels_last), bias, activation)
        y = same_conv2d(x, weight, bias, self.stride, self.groups)
        return y if activation is None else activation(y)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"groups={self.groups}, input_scale={self.input_scale:.4f}, standardization={self.standardization}"
        )
