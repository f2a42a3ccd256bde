"""What a network computes in, for one image at a time: measured at the start, in less than a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from normfree.host.devices import cores
from normfree.serve.networks import Network, in_precision
from normfree.trained import Trained

_SECONDS = 0.15
"""For each of up to four ways, after a first pass."""
_PASSES = 20
_WORTH = 0.85
"""Of the time of a simpler way: a thread more, or fewer bits, must save that much, for others want the cores too."""


@dataclass(frozen=True)
class Way:
    """How a network is asked.

    Attributes:
        precision: ``32`` or ``bf16``.
        threads: of the processor.
        seconds: that one image took, the median.
    """

    precision: str
    threads: int
    seconds: float

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        alone = f"{1 / self.seconds:,.0f} frames/s alone"
        return f"{self.seconds * 1000:.1f} ms an image ({self.precision}, {threads}): {alone}"


def computes_bf16() -> bool:
    """Whether the processor has arithmetic in bfloat16; elsewhere it is emulated and slow."""
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16"))


def fastest(network: Network, precision: str = "auto") -> tuple[Network, Way]:
    """The network in the fastest way that there is here, and that way.

    Args:
        precision: ``32``, ``bf16``, or ``auto`` for either.
    """
    image = blank(network)
    best: tuple[Network, Way] | None = None
    for name, candidate in _candidates(network, precision):
        for threads in sorted({1, cores()}):
            torch.set_num_threads(threads)
            way = Way(name, threads, seconds_of(candidate, image))
            if best is None or way.seconds < _WORTH * best[1].seconds:
                best = candidate, way
    assert best is not None
    torch.set_num_threads(best[1].threads)
    return best


def blank(network: Network) -> Tensor:
    """uint8 ``[1, C, S, S]``: an image for a measurement."""
    preprocessing = network.preprocessing
    return torch.full((1, preprocessing.channels, preprocessing.size, preprocessing.size), 127, dtype=torch.uint8)


def seconds_of(network: Network, image: Tensor, budget: float = _SECONDS) -> float:
    """The median of some passes, the first left out."""
    network.probabilities(image).cpu()
    taken: list[float] = []
    while len(taken) < _PASSES and (not taken or sum(taken) < budget):
        begin = time.perf_counter()
        network.probabilities(image).cpu()
        taken.append(time.perf_counter() - begin)
    return sorted(taken)[len(taken) // 2]


def _candidates(network: Network, precision: str) -> Iterator[tuple[str, Network]]:
    if not isinstance(network, Trained):
        yield "as exported", network
        return
    network.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    on_gpu = next(network.network.parameters()).is_cuda
    if precision in ("auto", "32"):
        yield "32", network
    if precision == "bf16" or (precision == "auto" and (on_gpu or computes_bf16())):
        yield "bf16", in_precision(network, "bf16")
