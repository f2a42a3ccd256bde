"""L2 norms of many tensors in few calls."""

from __future__ import annotations

import torch
from torch import Tensor


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
