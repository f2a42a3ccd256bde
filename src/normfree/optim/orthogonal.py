"""The nearest matrix with orthonormal rows, nearly: by matrix products alone.

Source: K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the quintic polynomial drives
every singular value towards 1 and leaves it between about 0.7 and 1.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_LEAST_NORM = 1e-7


def orthogonalized(matrix: Tensor, steps: int = 5, dtype: torch.dtype | None = None) -> Tensor:
    """``U V^T`` of ``matrix = U S V^T``, as near as `steps` of a Newton-Schulz iteration come; zeros stay zeros.

    Args:
        matrix: ``[rows, columns]``, or many ``[blocks, rows, columns]``.
        dtype: to compute in, and of the result; None for bfloat16, as ``torch.optim.Muon`` does,
            and float64 of float64.
    """
    if dtype is None:
        dtype = torch.float64 if matrix.dtype == torch.float64 else torch.bfloat16
    added = torch.addmm if matrix.ndim == 2 else torch.baddbmm
    tall = matrix.shape[-2] > matrix.shape[-1]
    found = matrix.to(dtype)
    found = found.mT if tall else found
    # The norm of all entries is no smaller than the largest singular value, which has to be at most 1.
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp(min=_LEAST_NORM)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = found @ found.mT
        found = added(found, added(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.mT if tall else found
