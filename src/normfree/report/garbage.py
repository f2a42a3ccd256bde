"""Fewer searches for garbage while a report is made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS = 100_000
"""Made between two searches; Python's own is 700."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """A report makes millions of small objects that refer to none of those that made them, and keeps most of them.

    Looking again and again for cycles among these takes a quarter of its time.
    """
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
