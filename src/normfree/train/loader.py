"""The micro batches of one run as Lightning reads them."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

from normfree.data import Batch, Source
from normfree.data.source import ALONE, Share
from normfree.runs.heartbeat import beat


class Part(NamedTuple):
    """Images ``[N, C, H, W]``, labels as in `Batch`, and the number of the first image in the batch of the step."""

    images: Tensor
    labels: Tensor
    first: int


class MicroBatch(NamedTuple):
    """What one forward and backward pass is given.

    Attributes:
        step: the optimizer step, from 0.
        first: number of its first image in the batch of the step, over all ranks.
        ascent: in the first micro batch of a step, this rank's part of what sharpness-aware minimization climbs with.
    """

    images: Tensor
    labels: Tensor
    step: int = 0
    first: int = 0
    ascent: tuple[Part, ...] = ()


class RunBatches:
    """All micro batches of a run, as one pass: a run is one Lightning epoch, so none ends inside an accumulation group.

    Stateful in Lightning's sense: a resumed run goes on with the micro batch after the last one it trained on.

    Args:
        total: micro batches of this rank.
        per_step: of them, in an optimizer step.
        ascent: the first so many images of the batch of a step come with its first micro batch too.

    Attributes:
        waited: seconds that training waited here, but for the first micro batch, with which readers start up. On a GPU
            that is the processor's time: nothing is synchronised for it.
    """

    def __init__(self, source: Source, total: int, per_step: int = 1, share: Share = ALONE, ascent: int = 0) -> None:
        self._source = source
        self._total = total
        self._per_step, self._share, self._ascent = per_step, share, ascent
        self._position = 0
        self.waited = 0.0

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[MicroBatch]:
        batches = self._source.training_batches(self._position, self._total)
        first = True
        ahead: deque[Batch] = deque()
        while self._position < self._total:
            step, place = divmod(self._position, self._per_step)
            began = time.perf_counter()
            if not ahead:
                ahead.append(next(batches))
            size = len(ahead[0].labels)
            parts = self._parts(ahead, batches, size) if place == 0 else ()
            if not first:
                self.waited += time.perf_counter() - began
            first = False
            beat(alike=True)
            batch = ahead.popleft()
            self._position += 1
            yield MicroBatch(batch.images, batch.labels, step, self._first(place, size), parts)

    def _first(self, place: int, size: int) -> int:
        return (place * self._share.world_size + self._share.rank) * size

    def _parts(self, ahead: deque[Batch], batches: Iterator[Batch], size: int) -> tuple[Part, ...]:
        """Reads ahead as far as the ascent goes."""
        parts = []
        for place in range(self._per_step):
            first = self._first(place, size)
            if first >= self._ascent:
                break
            if place == len(ahead):
                ahead.append(next(batches))
            count = min(size, self._ascent - first)
            parts.append(Part(ahead[place].images[:count], ahead[place].labels[:count], first))
        return tuple(parts)

    def state_dict(self) -> dict[str, Any]:
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._position = int(state["position"])
