"""Whether passes over a map are taken together: by Triton on CUDA, in channels-last, where that pays.

Elsewhere they are torch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import has_torch_function_unary

from normfree.nets.tanh_gelu import tanh_gelu
from normfree.nets.traced import traced

Function = Callable[[Tensor], Tensor]

_KNOWN: dict[Function | None, str] = {
    None: "identity",
    tanh_gelu: "gelu",
    F.gelu: "gelu_erf",
    F.silu: "silu",
    F.relu: "relu",
    torch.relu_: "relu",
}
"""Activations that the kernels know by name."""

WORTHWHILE = 2**24
"""Numbers of a map from which a pass that is saved takes a GPU longer than a processor two launches by Triton, which
take it some 50 us more than torch's; of smaller ones launching is what a step waits for."""

_TYPES = (torch.float32, torch.bfloat16, torch.float16)


@cache
def has_triton() -> bool:
    """Whether Triton, which comes with PyTorch for CUDA, is installed."""
    return find_spec("triton") is not None


def by_kernel(x: Tensor, larger: float = 1.0) -> bool:
    """Whether kernels are to pass over the map ``[N, C, H, W]``, or one that is `larger` times as large."""
    if traced() or has_torch_function_unary(x) or not _on_gpu(x) or not has_triton():
        return False
    dense = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return dense and x.dtype in _TYPES and x.numel() * larger >= (1 if _launching_is_free else WORTHWHILE)


@contextmanager
def launching_is_free() -> Iterator[None]:
    """Inside, small maps are given to kernels too: for what a CUDA graph captures, and the steps before the capture."""
    global _launching_is_free
    before, _launching_is_free = _launching_is_free, True
    try:
        yield
    finally:
        _launching_is_free = before


_launching_is_free = False


def _on_gpu(x: Tensor) -> bool:
    return x.is_cuda


def biased_by_kernel(x: Tensor, bias: Tensor, activation: Function | None) -> Tensor:
    """``activation(x + bias)`` of a map in channels-last, which may be overwritten: nobody else may need it.

    An activation that the kernels do not know is torch's, after the bias.
    """
    name = _KNOWN.get(activation, "identity")
    biased: Tensor = _kernels().BiasActivation.apply(x, bias, name)
    return biased if activation is None or activation in _KNOWN else activation(biased)


def residual_by_kernel(shortcut: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
    """``shortcut + branch * factor`` of maps that `by_kernel` is true of and a factor ``[N, C, 1, 1]``."""
    summed: Tensor = _kernels().ScaledResidual.apply(shortcut, branch, factor)
    return summed


def _kernels() -> Any:
    # Importing Triton takes its time, and compiles for the device it finds.
    return import_module("normfree.nets.map_kernels")
