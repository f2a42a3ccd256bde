"""The time that training takes, without what is done between its steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class TrainingClock:
    """Runs from :meth:`start`; what is done within :meth:`standing_still` does not count."""

    def __init__(self) -> None:
        self._since = 0.0

    def start(self) -> None:
        """Begin at 0."""
        self._since = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._since

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._since += time.perf_counter() - began
