"""Over which dimensions of a parameter AGC takes one norm.

Source: Brock et al. 2021 (arXiv 2102.06171), section 4.1, and its released code, which stores weights with
the output dimension last; here they are in PyTorch's layout, output dimension first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache


def deepmind_unit_dims(shape: Sequence[int]) -> tuple[int, ...] | None:
    """The released code: one unit an output of a linear or convolution weight, the whole of anything else.

    What has one dimension (or none) once dimensions of size 1 are dropped is one unit: biases, gains, skip
    gains, a linear with one input. A rank-3 weight ``[out, in, k]`` has a unit per (out, in) pair, because
    the released code reduces only its first dimension, ``k``. Rank 5 follows optax.
    """
    if sum(size > 1 for size in shape) <= 1:
        return None
    if len(shape) == 3:
        return (2,)
    return tuple(range(1, len(shape)))


def timm_unit_dims(shape: Sequence[int]) -> tuple[int, ...] | None:
    """timm: one unit a slice along the first dimension; rank 0 and 1 whole."""
    return tuple(range(1, len(shape))) if len(shape) > 1 else None


def tensor_unit_dims(shape: Sequence[int]) -> tuple[int, ...] | None:
    """Layer-wise clipping: every parameter is one unit."""
    return None


UNITS: dict[str, Callable[[Sequence[int]], tuple[int, ...] | None]] = {
    "deepmind": deepmind_unit_dims,
    "timm": timm_unit_dims,
    "tensor": tensor_unit_dims,
}


@cache
def _cached(shape: tuple[int, ...], unit: str) -> tuple[int, ...] | None:
    if unit not in UNITS:
        raise ValueError(f"unknown unit {unit!r}; choose one of {', '.join(UNITS)}")
    return UNITS[unit](shape)


def unit_dims(shape: Sequence[int], unit: str = "deepmind") -> tuple[int, ...] | None:
    """Dimensions to reduce for the norm of each unit of a parameter of `shape`; None for the whole tensor.

    Raises:
        ValueError: `unit` is none of ``"deepmind"``, ``"timm"``, ``"tensor"``.
    """
    return _cached(tuple(shape), unit)
