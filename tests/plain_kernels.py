"""In the place of the networks' Triton kernels: launches that compute by PyTorch what the kernels do, on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.nets import map_passes

FORWARD: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "gelu": lambda z: F.gelu(z, approximate="tanh"),
    "gelu_erf": F.gelu,
    "silu": F.silu,
    "relu": F.relu,
}
BACKWARD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda g, z: g,
    "gelu": lambda g, z: torch.ops.aten.gelu_backward(g, z, approximate="tanh"),
    "gelu_erf": torch.ops.aten.gelu_backward,
    "silu": torch.ops.aten.silu_backward,
    "relu": lambda g, z: g * (z > 0),
}
FILTER = (1, 2, 3)


class Plain:
    """A kernel, launched with any grid."""

    def __init__(self, compute: Callable[..., None]) -> None:
        self._compute = compute

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return self._compute


def standardize(w: Tensor, gain: Tensor, out: Tensor, moments: Tensor, filters: int, fan_in: int, *rest: Any) -> None:
    input_scale, floor, _ = rest
    mean = w.mean(FILTER, keepdim=True)
    norm = torch.linalg.vector_norm(w - mean, dim=FILTER, keepdim=True)
    out.copy_((w - mean) * (gain.view(-1, 1, 1, 1) * input_scale / norm.clamp(min=floor)))
    moments[0].copy_(mean.view(-1))
    moments[1].copy_(norm.view(-1))


def standardize_backward(
    w: Tensor, gain: Tensor, moments: Tensor, grad: Tensor, d_weight: Tensor, d_gain: Tensor, *rest: Any
) -> None:
    _, _, input_scale, floor, _ = rest
    mean, norm = (one.view(-1, 1, 1, 1) for one in moments)
    centred, floored, grad = w - mean, norm.clamp(min=floor), grad.float()
    along = (grad * centred).sum(FILTER, keepdim=True)
    scale = gain.view(-1, 1, 1, 1) * input_scale / floored
    curvature = along * scale / floored.square() * (norm > floor)
    d_weight.copy_((grad - grad.mean(FILTER, keepdim=True)) * scale - centred * curvature)
    d_gain.copy_((along * input_scale / floored).view(-1))


def bias_activation(x: Tensor, bias: Tensor, y: Tensor, rows: int, channels: int, activation: str, *rest: Any) -> None:
    y.copy_(FORWARD[activation](x.float() + bias.float().view(-1, 1, 1)))


def bias_activation_backward(
    x: Tensor, bias: Tensor, grad: Tensor, d_x: Tensor, sums: Tensor, rows: int, channels: int, *rest: Any
) -> None:
    _, activation, _, _ = rest
    z = x.float() if activation == "relu" else x.float() + bias.float().view(-1, 1, 1)
    found = BACKWARD[activation](grad.float(), z)
    d_x.copy_(found)
    sums.zero_()
    sums[0].copy_(found.sum((0, 2, 3)))


def residual(shortcut: Tensor, branch: Tensor, factor: Tensor, summed: Tensor, *rest: Any) -> None:
    summed.copy_(shortcut.float() + branch.float() * factor.float())


def residual_backward(branch: Tensor, factor: Tensor, grad: Tensor, d_branch: Tensor, sums: Tensor, *rest: Any) -> None:
    d_branch.copy_(grad.float() * factor.float())
    sums.zero_()
    sums[0].copy_((grad.float() * branch.float()).sum((2, 3)))


KERNELS: dict[str, dict[str, Callable[..., None]]] = {
    "normfree.nets.standardization_kernels": {
        "standardize_kernel": standardize,
        "standardize_backward_kernel": standardize_backward,
    },
    "normfree.nets.map_kernels": {
        "bias_activation_kernel": bias_activation,
        "bias_activation_backward_kernel": bias_activation_backward,
        "residual_kernel": residual,
        "residual_backward_kernel": residual_backward,
    },
}


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Within it, the networks' kernels are these, and asked for by all maps; without Triton by none."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("triton") is not None:
            for module, kernels in KERNELS.items():
                for name, compute in kernels.items():
                    patch.setattr(import_module(module), name, Plain(compute))
            patch.setattr(map_passes, "WORTHWHILE", 1)
        yield
