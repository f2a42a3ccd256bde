"""L2 norms of many tensors in few calls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class Clippable:
    """A parameter with a gradient.

    Attributes:
        place: where the parameter stands in the call.
        dims: the dimensions of a unit, always the last ones; None if the whole tensor is one unit.
    """

    place: int
    parameter: Tensor
    gradient: Tensor
    dims: tuple[int, ...] | None

    @property
    def units(self) -> int:
        """How many units the parameter has."""
        return 1 if self.dims is None else math.prod(self.gradient.shape[: self.dims[0]])


def norm_dtype(tensor: Tensor) -> torch.dtype:
    """Norms of float64 tensors are float64, all others float32."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def tensor_norms(tensors: list[Tensor]) -> list[Tensor]:
    """L2 norm of each tensor as a whole, of shape ``()``; one call if the dtypes agree."""
    if not tensors:
        return []
    if all(tensor.dtype == tensors[0].dtype for tensor in tensors):
        return list(torch._foreach_norm(tensors, dtype=norm_dtype(tensors[0])))
    return [torch.linalg.vector_norm(tensor, dtype=norm_dtype(tensor)) for tensor in tensors]


def unit_norms(tensor: Tensor, dims: tuple[int, ...]) -> Tensor:
    """L2 norms over `dims`, which stay as dimensions of size 1."""
    norms: Tensor = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True, dtype=norm_dtype(tensor))
    return norms


def in_one_piece(tensor: Tensor) -> bool:
    """Whether every unit is one dense piece of memory: what `rows` gives a view of."""
    if tensor.numel() == 0:
        return False
    return tensor.is_contiguous() or (tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def rows(tensor: Tensor, dims: tuple[int, ...] | None) -> Tensor | None:
    """The tensor as ``[units, fan-in]`` without a copy, a unit's elements in the order of memory.

    None if a unit is not one dense piece of memory, or empty.
    """
    if not in_one_piece(tensor):
        return None
    units = 1 if dims is None else math.prod(tensor.shape[: dims[0]])
    if tensor.is_contiguous():
        return tensor.view(units, -1)
    return tensor.permute(0, 2, 3, 1).view(units, -1)
