"""Bytes that the operations of a training step read and write, counted on the meta device.

Most of a network's operations wait for memory and not for arithmetic (on one H200 a convolution of an NFNet reads and
writes a fifth of what its step does), so this number, which depends on the code alone, says how lean the code is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ALLOCATIONS = ("aten::empty", "aten::empty_like", "aten::empty_strided", "aten::detach", "aten::_unsafe_view")


class _Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums what every operation but views and allocations reads and writes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and func._schema.name not in _ALLOCATIONS:
            read = {id(leaf): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
            self.total += _bytes(read.values()) + _bytes(leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor))
        return out


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Without the repetitions of expanded tensors, which are read from a cache."""
    return sum(min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()) for tensor in tensors)


def bytes_moved(model: nn.Module, image_size: int, dtype: torch.dtype = torch.bfloat16) -> int:
    """Bytes an image that one eager training step (forward, cross-entropy, backward) reads and writes.

    Every operation counts its inputs and outputs once; what does not grow with the batch (weights, their
    standardisation and gradients, the optimizer) is left out.

    Args:
        model: any classifier; it is not touched.
        image_size: side of the square images in pixels.
        dtype: of weights and images.
    """
    shadow = copy.deepcopy(model).to(device="meta", dtype=dtype).train()
    return (_step_bytes(shadow, 4, image_size, dtype) - _step_bytes(shadow, 2, image_size, dtype)) // 2


def total_bytes(
    model: nn.Module, image_size: int, batch: int, dtype: torch.dtype = torch.bfloat16, training: bool = True
) -> int:
    """Bytes that all of an eager step of `batch` images reads and writes, weights and their gradients among them.

    Args:
        model: any classifier; it is not touched.
        image_size: side of the square images in pixels.
        dtype: of weights and images.
        training: forward, cross-entropy and backward, without the optimizer; if not, the forward pass in evaluation.
    """
    shadow = copy.deepcopy(model).to(device="meta", dtype=dtype).train(training)
    return (
        _step_bytes(shadow, batch, image_size, dtype) if training else _forward_bytes(shadow, batch, image_size, dtype)
    )


def layer_bytes(layer: nn.Module, channels: int, size: int = 16, dtype: torch.dtype = torch.bfloat16) -> float:
    """Bytes that forward and backward pass of a layer read and write, in passes over its map ``[N, C, size, size]``.

    One pass reads or writes the map once; what does not grow with the batch is left out.
    """
    shadow = copy.deepcopy(layer).to(device="meta", dtype=dtype).train()

    def moved(batch: int) -> int:
        x = torch.empty(batch, channels, size, size, device="meta", dtype=dtype, requires_grad=True)
        with _Traffic() as traffic:
            y = shadow(x)
            y.backward(torch.empty_like(y))
        return int(traffic.total)

    return (moved(4) - moved(2)) / (2 * channels * size * size * dtype.itemsize)


def _forward_bytes(model: nn.Module, batch: int, image_size: int, dtype: torch.dtype) -> int:
    with torch.no_grad(), _Traffic() as traffic:
        model(_images(model, batch, image_size, dtype))
    return int(traffic.total)


def _step_bytes(model: nn.Module, batch: int, image_size: int, dtype: torch.dtype) -> int:
    images = _images(model, batch, image_size, dtype)
    labels = torch.empty(batch, device="meta", dtype=torch.int64)
    model.zero_grad(set_to_none=True)
    with _Traffic() as traffic:
        F.cross_entropy(model(images).float(), labels).backward()  # type: ignore[no-untyped-call]
    return int(traffic.total)


def _images(model: nn.Module, batch: int, image_size: int, dtype: torch.dtype) -> Tensor:
    channels = next(parameter for parameter in model.parameters() if parameter.ndim == 4).shape[1]
    return torch.empty(batch, channels, image_size, image_size, device="meta", dtype=dtype)
