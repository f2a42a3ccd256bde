"""A user's clippers."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from normfree.clip import ClipStatistics, clip_grad_norm_
from normfree.data.resident import ResidentSource
from normfree.data.source import Batch
from normfree.train.module import Classifier
from normfree.train.ranks.world import Ranks

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


def hangs_on(parameters: list[Tensor], rank: int, where: str) -> None:
    """From its third step on, one rank of several waits for ever: here, or in the forward pass."""
    CALLS.append(rank)
    own = os.environ.get("NORMFREE_RANK", os.environ.get("SLURM_PROCID"))
    if own != str(rank) or len(CALLS) != 3:
        return
    if where == "forward":
        Classifier._loss = for_ever  # type: ignore[assignment,method-assign]
    else:
        for_ever()


def for_ever(*_: object) -> None:
    lock = threading.Lock()
    lock.acquire()
    with lock:
        raise AssertionError("nobody releases it")


def slow_evaluation(parameters: list[Tensor], seconds: float) -> None:
    """Batches of evaluations are small, and take their time."""
    if CALLS:
        return
    CALLS.append(0)
    batches = ResidentSource.evaluation_batches

    def slowly(source: ResidentSource, split: str, batch_size: int) -> Iterator[Batch]:
        for batch in batches(source, split, 60):
            time.sleep(seconds)
            yield batch

    ResidentSource.evaluation_batches = slowly  # type: ignore[method-assign]
