"""k runs as one program, in every form that there is of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from normfree.bench.many.flat import Flat
from normfree.bench.many.job import Job, losses_of
from normfree.bench.many.stacked import laid_out, stacked_network
from normfree.bench.many.vmapped import Gradients, gradients_by_vmap
from normfree.host.allocator import keep_freed_memory

BATCHED = ("vmap", "grouped", "bmm")
_WARMUP = 3


class Together:
    """k runs that take their steps at once.

    Args:
        batching: one of `BATCHED`.
        compiled: forward and backward pass by torch.compile.
        graph: a step is captured as a CUDA graph, after a few that are not.

    Attributes:
        taken: steps of every run.

    Raises:
        ValueError: the network has no such form.
    """

    def __init__(self, job: Job, batching: str, compiled: bool = False, graph: bool = False) -> None:
        if torch.device(job.device).type == "cpu":
            keep_freed_memory()
        networks = job.networks()
        self._flat = Flat(networks, job.recipes)
        self.taken = 0
        if batching == "vmap":
            self._gradients = gradients_by_vmap(job, networks, compiled)
        else:
            self._gradients = _by_stacking(job, self._flat, networks[0], batching == "bmm", compiled)
        self._take: Callable[[], Tensor] = self._eager
        if graph:
            self._capture()

    def _eager(self) -> Tensor:
        gradients, losses = self._gradients(self._flat.stacked)
        self._flat.update(gradients)
        return losses

    def _capture(self) -> None:
        aside: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARMUP):
                self.take()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            losses = self._eager()

        def replay() -> Tensor:
            graph.replay()
            return losses

        self._take = replay

    def take(self) -> Tensor:
        """A step of every run; returns their losses, ``[k]``."""
        losses = self._take()
        self.taken += 1
        return losses

    def weights(self, run: int) -> dict[str, Tensor]:
        """Parameters of one run by name."""
        return self._flat.weights(run)


def _by_stacking(job: Job, flat: Flat, one: torch.nn.Module, products: bool, compiled: bool) -> Gradients:
    network = stacked_network(one, flat.stacked, products)
    if compiled:
        network.compile()
    images, labels = job.images()
    images = laid_out(images, job, products)

    def gradients(parameters: Mapping[str, Tensor]) -> tuple[list[Tensor], Tensor]:
        with job.autocast():
            logits = network(images)
        losses = losses_of(logits, labels)
        return list(torch.autograd.grad(losses.sum(), list(parameters.values()))), losses.detach()

    return gradients
