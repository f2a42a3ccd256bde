"""A process for each contestant, so that none profits or suffers from how another left its own: its memory, threads."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import Any, Self, TypeVar

from normfree.config import UserError
from normfree.host.orphans import end_with

T = TypeVar("T")


class Contestants:
    """Processes that wait for their turn; nothing of two of them runs at once.

    Args:
        apart: else everything runs in this process.
    """

    def __init__(self, names: Iterable[str], apart: bool) -> None:
        self._names, self._apart = list(names), apart
        self._processes: dict[str, ProcessPoolExecutor] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for name in self._names if self._apart else ():
            made = ProcessPoolExecutor(1, context, initializer=end_with, initargs=(os.getpid(),))
            self._processes[name] = self._stack.enter_context(made)
        return self

    def __exit__(self, *what: Any) -> None:
        self._stack.close()

    def call(self, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """``function(*arguments)`` in the process of this contestant.

        Raises:
            UserError: as `function`, or the process ended in the middle of it.
        """
        if not self._apart:
            return function(*arguments)
        try:
            return self._processes[name].submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"contestants={name}: its process ended, often for want of memory; make batch or samples smaller"
            ) from error
