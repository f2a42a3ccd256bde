"""How many threads of a processor a run computes with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from normfree.config import Resolved
from normfree.train.parts.network import network_cost

SMALL_STEP = 150_000_000
"""Multiply-adds of a forward pass below which threads cost each other more than they take off one another."""


@contextmanager
def computing_threads(resolved: Resolved, device: torch.device) -> Iterator[int]:
    """Their number while the run computes: ``trainer.threads``, else one for small steps, else as many as torch has.

    It depends on the configuration and the machine, never on what else the machine does: with another number of
    threads sums are rounded differently.
    """
    before = torch.get_num_threads()
    threads = resolved.config.trainer.threads or (1 if _is_small(resolved, device) else before)
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)


def _is_small(resolved: Resolved, device: torch.device) -> bool:
    if device.type != "cpu" or "OMP_NUM_THREADS" in os.environ:
        return False
    samples = resolved.micro_batch or resolved.config.batch
    return samples * network_cost(resolved).macs_train < SMALL_STEP
