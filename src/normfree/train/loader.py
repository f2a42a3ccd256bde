"""The micro batches of one run as Lightning reads them."""

import time
from collections.abc import Iterator
from typing import Any

from normfree.data import Batch, Source


class RunBatches:
    """All micro batches of a run, as one pass: a run is one Lightning epoch, so none ends inside an accumulation group.

    Stateful in Lightning's sense: a resumed run goes on with the micro batch after the last one it trained on.

    Attributes:
        waited: seconds that training waited here, but for the first micro batch, with which readers start up. On a GPU
            that is the processor's time: nothing is synchronised for it.
    """

    def __init__(self, source: Source, total: int) -> None:
        self._source = source
        self._total = total
        self._position = 0
        self.waited = 0.0

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[Batch]:
        batches = self._source.training_batches(self._position, self._total)
        first = True
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            if not first:
                self.waited += time.perf_counter() - began
            if batch is None:
                return
            first = False
            self._position += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {"position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._position = int(state["position"])
