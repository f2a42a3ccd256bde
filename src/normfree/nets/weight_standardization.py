"""Scaled weight standardisation.

Source: Brock et al. 2021 (arXiv 2101.08692), section 4.1 'Scaled Weight Standardization', with the
learnable gain and the variance floor of the released NFNet code. Per output channel, with fan-in N:

    w_hat = gain * (w - mean(w)) / sqrt(max(N * var(w), 1e-4))

`var` is the population variance, so ``N * var`` is the squared norm of the centred filter. The floor is
a maximum, not an addend.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from normfree.nets.initializers import lecun_normal_
from normfree.nets.padding import same_conv2d

VARIANCE_FLOOR = 1e-4


def standardize_weight(weight: Tensor, gain: Tensor, input_scale: float = 1.0) -> Tensor:
    """Standardised convolution weight, times `input_scale`.

    Args:
        weight: ``[Cout, Cin / groups, kh, kw]``, in any memory format.
        gain: ``[Cout]``.
        input_scale: constant by which the convolution's input is to be multiplied.

    Returns:
        A tensor like `weight`. Half-precision weights are standardised in float32 and cast back.
    """
    dtype = weight.dtype
    if dtype in (torch.bfloat16, torch.float16):
        weight, gain = weight.float(), gain.float()
    centred: Tensor = weight - weight.mean((1, 2, 3), keepdim=True)
    norm = torch.linalg.vector_norm(centred, dim=(1, 2, 3)).clamp(min=VARIANCE_FLOOR**0.5)
    scale = gain / norm if input_scale == 1.0 else gain * input_scale / norm
    standardized: Tensor = centred * scale.view(-1, 1, 1, 1)
    return standardized.to(dtype)


class WSConv2d(nn.Module):
    """Weight-standardised convolution with 'SAME' padding: ``conv(input_scale * x, w_hat) + bias``.

    Parameters: ``weight [Cout, Cin / groups, k, k]`` from ``N(0, 1 / fan_in)``, ``gain [Cout]`` of ones,
    ``bias [Cout]`` of zeros. A convolution of fan-in 1 standardises to zero: its output is its bias.

    Args:
        input_scale: constant factor on the input (an activation's gamma, a block's 1 / expected_std),
            applied to the small weight instead of the large input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        input_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.groups = groups
        self.input_scale = input_scale
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kernel_size, kernel_size))
        self.gain = nn.Parameter(torch.empty(out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        lecun_normal_(self.weight)
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.bias)

    def standardized_weight(self) -> Tensor:
        """The weight that the convolution uses, `input_scale` included."""
        return standardize_weight(self.weight, self.gain, self.input_scale)

    def forward(self, x: Tensor) -> Tensor:
        return same_conv2d(x, self.standardized_weight(), self.bias, self.stride, self.groups)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"groups={self.groups}, input_scale={self.input_scale:.4f}"
        )
