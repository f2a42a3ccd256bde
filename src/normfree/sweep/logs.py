"""Where workers print: one file each, which no worker of a sweep beside this one writes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def own_log(folder: Path) -> Iterator[Path]:
    """The first of ``worker0.log``, ``worker1.log``, ... that is free; it is held as long as the context lasts.

    Where locks or files cannot be made the first is given: the run, which meets the same, tells.
    """
    for number in count():
        path = folder / f"worker{number}.log"
        try:
            file = path.open("a", encoding="utf-8")
        except OSError:
            yield path
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:
                pass
            yield path
            return
