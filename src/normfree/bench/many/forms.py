"""The forms in which k runs are trained, by name: what is called for a step of every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from normfree.bench.many.alone import Alone
from normfree.bench.many.job import Job
from normfree.bench.many.together import BATCHED, Together

PROCESSES, TURNS = "processes", "turns"
FORMS = (
    PROCESSES,
    TURNS,
    "streams",
    "turns_graph",
    "streams_graph",
    *(batching + launch for batching in BATCHED for launch in ("", "_graph", "_compiled", "_compiled_graph")),
)
"""``processes``: k of them; ``turns``: k runs one after another in one process; ``streams``: each in a stream of its
own; ``vmap``, ``grouped``, ``bmm``: as one program. ``_graph``: steps captured as CUDA graphs, those of one run in
turns and streams. ``_compiled``: forward and backward pass by torch.compile.
"""


@dataclass(frozen=True)
class Form:
    """One of `FORMS`, taken apart."""

    name: str
    way: str
    compiled: bool
    graph: bool

    @classmethod
    def of(cls, name: str) -> Form:
        way, *launch = name.split("_")
        return cls(name, way, "compiled" in launch, "graph" in launch)

    @property
    def batched(self) -> bool:
        return self.way in BATCHED

    @property
    def needs_gpu(self) -> bool:
        return self.graph or self.way == "streams"


def step_of(form: Form, job: Job) -> Callable[[], object]:
    """What takes a step of every run in this process.

    Raises:
        ValueError: the network has no such form.
    """
    if form.batched:
        return Together(job, form.way, form.compiled, form.graph).take
    takes: list[Callable[[], object]]
    if form.graph:
        takes = [Together(replace(job, recipes=(recipe,)), "grouped", graph=True).take for recipe in job.recipes]
    else:
        takes = [Alone(job, recipe).take for recipe in job.recipes]
    return _in_streams(takes) if form.way == "streams" else _in_turn(takes)


def _in_turn(takes: list[Callable[[], object]]) -> Callable[[], None]:
    def call() -> None:
        for take in takes:
            take()

    return call


def _in_streams(takes: list[Callable[[], object]]) -> Callable[[], None]:
    streams: list[torch.cuda.Stream] = [torch.cuda.Stream() for _ in takes]  # type: ignore[no-untyped-call]

    def call() -> None:
        for stream, take in zip(streams, takes, strict=True):
            with torch.cuda.stream(stream):
                take()

    torch.cuda.synchronize()
    return call
