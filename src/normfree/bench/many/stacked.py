"""A network of k runs at once: the layers of one, each with the parameters ``[k, *shape]`` of all.

Maps are ``[N, k * C, H, W]``, convolutions have k times their groups, and what is done elementwise or by channel stays
as it is. As products of matrices (`Products`) maps are ``[k, N, H, W, C]``, and a convolution is one batched product of
the patches and the filters.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.bench.many.job import Job
from normfree.nets.batch_norm import GhostBatchNorm2d
from normfree.nets.padding import SameConv2d, same_conv2d, same_padding
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.weight_standardization import WSConv2d, standardize_weight


class _Convolution(nn.Module):
    """The parameters of one layer of k runs, and the filters ``[k * Cout, Cin, kh, kw]`` that they stand for."""

    weight: nn.Parameter
    gain: nn.Parameter
    bias: nn.Parameter

    def __init__(self, one: WSConv2d | SameConv2d, runs: int) -> None:
        super().__init__()
        self.runs, self.groups = runs, one.groups
        self.stride = one.stride if isinstance(one.stride, int) else one.stride[0]
        self.input_scale = one.input_scale if isinstance(one, WSConv2d) else 1.0
        self.standardization = one.standardization if isinstance(one, WSConv2d) else ""

    def effective(self, output_scale: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Filters, and biases ``[k * Cout]``; `output_scale` is ``[k]``."""
        weight = self.weight.flatten(0, 1)
        if not self.standardization:
            return weight, None
        gain: Tensor = self.gain
        bias: Tensor = self.bias
        if output_scale is not None:
            gain, bias = gain * output_scale[:, None], bias * output_scale[:, None]
        return standardize_weight(weight, gain.flatten(), self.input_scale, self.standardization), bias.flatten()


class Grouped(_Convolution):
    """``[N, k * Cin, H, W] -> [N, k * Cout, ceil(H / s), ceil(W / s)]``, one grouped convolution."""

    def forward(
        self, x: Tensor, output_scale: Tensor | None = None, activation: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        weight, bias = self.effective(output_scale)
        out = same_conv2d(x, weight, bias, self.stride, self.runs * self.groups)
        return out if activation is None else activation(out)


class Products(_Convolution):
    """``[k, N, H, W, Cin] -> [k, N, ceil(H / s), ceil(W / s), Cout]``, one batched product of matrices."""

    def forward(
        self, x: Tensor, output_scale: Tensor | None = None, activation: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        weight, bias = self.effective(output_scale)
        patches = _patches(x, weight.shape[2], self.stride)
        filters = weight.view(self.runs, -1, *weight.shape[1:]).permute(0, 3, 4, 2, 1).flatten(1, 3)
        rows = patches.flatten(1, 3)
        assert bias is not None
        out = torch.baddbmm(bias.view(self.runs, 1, -1), rows, filters).view(*patches.shape[:4], -1)
        return out if activation is None else activation(out)


def _patches(x: Tensor, kernel: int, stride: int) -> Tensor:
    """``[k, N, H, W, C] -> [k, N, ceil(H / s), ceil(W / s), kernel * kernel * C]`` with 'SAME' padding."""
    if kernel == 1:
        return x[:, :, ::stride, ::stride]
    height, width = -(-x.shape[2] // stride), -(-x.shape[3] // stride)
    x = F.pad(x, (0, 0, *same_padding(x.shape[3], kernel, stride), *same_padding(x.shape[2], kernel, stride)))
    down, right = stride * (height - 1) + 1, stride * (width - 1) + 1
    return torch.cat(
        [x[:, :, i : i + down : stride, j : j + right : stride] for i in range(kernel) for j in range(kernel)], -1
    )


class _BatchNorm(nn.Module):
    """Batch normalisation of ``[N, k * C, H, W]``, whose channels know nothing of each other."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, one: GhostBatchNorm2d, runs: int) -> None:
        super().__init__()
        assert one.running_mean is not None
        assert one.running_var is not None
        self.register_buffer("running_mean", one.running_mean.repeat(runs))
        self.register_buffer("running_var", one.running_var.repeat(runs))
        self.momentum, self.eps = float(one.momentum or 0), one.eps

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.flatten(), self.bias.flatten()
        return F.batch_norm(x, self.running_mean, self.running_var, weight, bias, True, self.momentum, self.eps)


class _Classifier(nn.Module):
    """``[N, k * C]`` or ``[k, N, C]`` to logits ``[k, N, classes]``."""

    weight: nn.Parameter
    bias: nn.Parameter

    def forward(self, x: Tensor) -> Tensor:
        pooled = x if x.ndim == 3 else x.view(len(x), len(self.weight), -1).transpose(0, 1)
        return torch.baddbmm(self.bias.unsqueeze(1), pooled, self.weight.transpose(1, 2))


def stacked_network(one: nn.Module, parameters: Mapping[str, nn.Parameter], products: bool) -> nn.Module:
    """A network of k runs, with these parameters ``[k, *shape]``, like `one`.

    Takes ``[N, k * 3, H, W]``, or ``[k, N, H, W, 3]`` with `products`; gives logits ``[k, N, classes]``.

    Raises:
        ValueError: a network with Squeeze-and-Excitation, or with BatchNorm for `products`.
    """
    network = copy.deepcopy(one)
    runs = len(next(iter(parameters.values())))
    kind = Products if products else Grouped
    for name, module in list(network.named_modules()):
        new: nn.Module | None = None
        if isinstance(module, SqueezeExcite):
            raise ValueError("has Squeeze-and-Excitation, of which k runs have no form here")
        if isinstance(module, WSConv2d | SameConv2d):
            new = kind(module, runs)
        elif isinstance(module, GhostBatchNorm2d):
            if products:
                raise ValueError("has BatchNorm, which has no form for maps [k, N, H, W, C] here")
            new = _BatchNorm(module, runs)
        elif isinstance(module, nn.Linear):
            new = _Classifier()
        if new is not None:
            network.set_submodule(name, new)
    for name, parameter in parameters.items():
        above, _, leaf = name.rpartition(".")
        module = network.get_submodule(above)
        module.register_parameter(leaf, parameter)
    return network


def laid_out(images: Tensor, job: Job, products: bool) -> Tensor:
    """Images ``[k, N, 3, H, W]`` as the stacked network takes them."""
    if products:
        return images.permute(0, 1, 3, 4, 2).contiguous()
    return images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=job.memory_format)
