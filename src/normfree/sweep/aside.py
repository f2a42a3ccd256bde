"""A process beside a sweep's own, which has torch: what only torch can tell of runs is asked there.

It imports torch while the sweep is still being planned, so that the answer is there soon after; and what a network of
the user's own does while it is tried cannot reach the sweep.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from normfree.config import UserError
from normfree.config.sources.reading import looked_up_once
from normfree.host.orphans import end_with

_Answer = TypeVar("_Answer")


class Aside:
    """``with Aside() as aside: aside.start(...); ...; aside.ask(function, argument)``; leaving it ends the process."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._connection is None:
            return
        self._connection.close()
        self._process.kill()  # what the user's own code does there would be waited for
        self._process.join()

    @property
    def started(self) -> bool:
        return self._process is not None

    def start(self, function: Callable[..., object], *arguments: object) -> None:
        """Let it get ready, unless it does already, and try itself on ``function(*arguments)``; returns at once."""
        if self._process is not None:
            return
        # A fork is there at once, but threads, torch's and a GPU's among them, do not survive one.
        alone = psutil.Process().num_threads() == 1
        context: Any = multiprocessing.get_context("fork" if alone else "spawn")
        mine, other = Pipe()
        process = context.Process(
            target=_serve,
            args=(other, mine if alone else None, os.getpid(), function, arguments),
            name="normfree-aside",
        )
        process.start()
        other.close()
        self._connection, self._process = mine, process

    def ask(self, function: Callable[..., _Answer], *arguments: object) -> _Answer:
        """``function(*arguments)`` as it is there.

        Raises:
            UserError: as the function does.
            RuntimeError: it raises anything else; with its traceback.
            EOFError: the process was ended from outside, or by what it did.
        """
        self.start(function, *arguments)
        assert self._connection is not None
        try:
            self._connection.send((function, arguments))
            answer, error = self._connection.recv()
        except OSError as broken:
            raise EOFError from broken
        if error is not None:
            raise error
        result: _Answer = answer
        return result


def _serve(
    connection: Connection, held: Connection | None, parent: int, function: Callable[..., Any], arguments: Any
) -> None:
    """Answer until ``connection`` is closed.

    Args:
        held: the other end of it, which a fork holds too.
        function, arguments: called first, which imports what they need.
    """
    # The terminal sends Ctrl-C to every process; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    if held is not None:
        held.close()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    with looked_up_once():
        _answer(function, arguments)
        while True:
            try:
                function, arguments = connection.recv()
            except (EOFError, OSError):
                return
            connection.send(_answer(function, arguments))


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return function(*arguments), None
    except UserError as error:
        return None, UserError(str(error))
    except Exception as error:  # it may be of a kind that the parent does not know
        return None, RuntimeError("".join(traceback.format_exception(error)))
