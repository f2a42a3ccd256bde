"""Whether k runs as one program end with the weights of k separate runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from normfree.bench.many.alone import Alone
from normfree.bench.many.job import Job
from normfree.bench.many.together import Together

Weights = list[dict[str, Tensor]]


def weights_alone(job: Job, steps: int) -> Weights:
    """Of every run of `job`, trained by itself."""
    runs = [Alone(job, recipe) for recipe in job.recipes]
    with _exact():
        for run in runs:
            while run.taken < steps:
                run.take()
    return [run.weights() for run in runs]


def weights_together(job: Job, batching: str, compiled: bool, graph: bool, steps: int) -> Weights:
    """Of every run of `job`, trained as one program.

    Raises:
        ValueError: the network has no such form.
    """
    with _exact():
        runs = Together(job, batching, compiled, graph)
        while runs.taken < steps:
            runs.take()
    return [runs.weights(run) for run in range(len(job.recipes))]


def difference(these: Weights, those: Weights) -> float:
    """The largest absolute one of two weights of the same place, over all runs; NaN where there is one."""
    worst = [
        (one[name] - weight).abs().max()
        for one, other in zip(these, those, strict=True)
        for name, weight in other.items()
    ]
    return float(torch.stack(worst).max())


def other_layout(job: Job) -> Job:
    """The same with the other memory format, in which a separate run rounds otherwise."""
    return replace(job, layout="nchw" if job.layout == "nhwc" else "nhwc")


@contextmanager
def _exact() -> Iterator[None]:
    """Float32 that is float32: convolutions on a GPU have TF32 otherwise."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
