"""AGC vectors of the released code, in PyTorch's layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from normfree.clip import backend

HOST_BACKENDS = [
    "eager",
    "bucketed",
    pytest.param("native", marks=pytest.mark.skipif(backend() != "native", reason="no C compiler")),
]

# Reversing these dimensions turns (spatial..., in, out) into (out, in, spatial...).
ORDER = {0: (), 1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: (3, 2, 0, 1)}


def to_torch(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).permute(ORDER[array.ndim]).contiguous()


@pytest.fixture(scope="session")
def vectors() -> dict[str, Tensor]:
    path = Path(__file__).parents[1] / "golden" / "agc_vectors.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return {key: to_torch(arrays[key]) for key in arrays}


@pytest.fixture(scope="session")
def cases(vectors: dict[str, Tensor]) -> list[str]:
    names = [key.removesuffix(":param") for key in vectors if key.endswith(":param")]
    assert len(names) == 23
    return names


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)
