"""That a GPU computes the same bits each time it is given the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic_convolutions(device: torch.device) -> Iterator[None]:
    """While a run computes on a GPU, cuDNN takes no kernel that adds in the order in which its threads arrive.

    Without it a stopped run goes on to other bits. Nothing on a processor. What of torch's own kernels adds so, such as
    the backward pass of a max-pool, stays as it is.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before
