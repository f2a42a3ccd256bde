"""A user's clippers."""

import os

import torch
from torch import Tensor

from normfree.clip import ClipStatistics, clip_grad_norm_

CALLS: list[int] = []
NOT_CODE = 3


def halve(parameters: list[Tensor], share: float = 0.5) -> None:
    """Scales every gradient."""
    CALLS.append(len(parameters))
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(share)


class Fading:
    """Clips harder and harder."""

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm

    def __call__(self, parameters: list[Tensor]) -> ClipStatistics:
        self.max_norm /= 2
        return clip_grad_norm_(parameters, self.max_norm)


class Inert:
    """Has no `__call__`."""


def broken(parameters: list[Tensor]) -> None:
    raise torch.OutOfMemoryError("mine")


def breaks_on(parameters: list[Tensor], rank: int) -> None:
    """Raises in one rank of several."""
    if os.environ.get("NORMFREE_RANK", os.environ.get("SLURM_PROCID")) == str(rank):
        raise ArithmeticError(f"broken on purpose in rank {rank}")
