"""Progress of what is read before a run begins, on stderr: a bar on a terminal, elsewhere a line now and then."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

LINE_SECONDS = 10.0
"""Between two lines; what is done sooner says nothing."""


def shown(things: Sequence[T], doing: str, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """The things one by one, while it is shown how many have been.

    Args:
        doing: what is done with them, such as ``reading the labels of my_data.Blobs``.
    """
    if sys.stderr.isatty():
        yield from _with_a_bar(things, doing)
        return
    last = clock()
    for number, thing in enumerate(things):
        if (now := clock()) - last >= LINE_SECONDS:
            last = now
            print(f"{doing}: {number:,} of {len(things):,}", file=sys.stderr, flush=True)
        yield thing


def _with_a_bar(things: Sequence[T], doing: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track

    yield from track(things, doing, console=Console(stderr=True), transient=True)
