"""What the suites' options have in common."""

from __future__ import annotations

import re

import torch

from normfree.bench.rows import device_name
from normfree.config import UserError


def device_of(name: str) -> torch.device:
    """The device that ``device=`` names; ``auto`` is the GPU if there is one.

    Raises:
        UserError: there is no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: torch sees no CUDA device here; use device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def file_of(suite: str, device: torch.device) -> str:
    """Where a suite writes unless told otherwise: ``reports/benchmarks/nets-nvidia-h200.csv``."""
    name = device_name(device) if device.type == "cuda" else "cpu"
    return f"reports/benchmarks/{suite}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.csv"
