"""A user's clippers."""

import os
import signal
import time

import torch
from torch import Tensor

from normfree.clip import ClipStatistics, clip_grad_norm_
from normfree.train.world import Ranks

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


def dies_at_the_end(parameters: list[Tensor], rank: int) -> None:
    """One rank of several is killed when the run's result is written and it is about to be told so."""

    def gather(world: Ranks, content: object) -> list[object]:
        if content is None:  # what the ranks other than 0 have to say of the result
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)
        return told(world, content)

    if os.environ.get("NORMFREE_RANK") == str(rank) and not CALLS:
        CALLS.append(rank)
        told = Ranks.gather
        Ranks.gather = gather  # type: ignore[method-assign]
