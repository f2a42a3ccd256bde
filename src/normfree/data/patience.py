"""Threads that read what may never come, so that the one that waits for them can leave.

They are daemons: those of a pool of ``concurrent.futures`` are waited for at the end of a process, for ever if need be.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from normfree.runs.waiting import LOOK_SECONDS, Waiting

_T = TypeVar("_T")
_Answer = tuple[Any, BaseException | None]


class Reader:
    """A thread that reads one thing at a time; it ends with :meth:`close`, or with this object."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        threading.Thread(target=_answer, args=(self._asked, self._answers), daemon=True, name="reader").start()

    def read(self, call: Callable[[], _T], name: str) -> _T:
        """What ``call`` gives or raises.

        Raises:
            UserError, Stopped: see :class:`normfree.runs.waiting.Waiting`.
        """
        self._asked.put(call)
        waiting = Waiting(lambda _: name)
        while True:
            try:
                result, error = self._answers.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                waiting.look({0: name})
                continue
            if error is not None:
                raise error
            found: _T = result
            return found

    def close(self) -> None:
        self._asked.put(None)

    def __del__(self) -> None:
        self.close()


def read_patiently(call: Callable[[], _T], name: str) -> _T:
    """What ``call`` gives or raises, in a thread of its own: see :meth:`Reader.read`."""
    return Reader().read(call, name)


def _answer(asked: "queue.SimpleQueue[Callable[[], Any] | None]", answers: "queue.SimpleQueue[_Answer]") -> None:
    while (call := asked.get()) is not None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))


def in_threads(
    count: int, parts: Sequence[range], work: Callable[[int], object], tells: Callable[[int], str]
) -> Iterator[range]:
    """Do ``work`` for every number of every part, in ``count`` threads; gives each part when it is done.

    Args:
        tells: how the work for a number is called.

    Raises:
        UserError, Stopped: see :class:`normfree.runs.waiting.Waiting`; and the first error of the work.
    """
    left: queue.SimpleQueue[range] = queue.SimpleQueue()
    for part in parts:
        left.put(part)
    done: queue.SimpleQueue[range | BaseException] = queue.SimpleQueue()
    at: dict[int, int] = {}
    ended = threading.Event()

    def take() -> None:
        me = threading.get_ident()
        try:
            while not ended.is_set():
                part = left.get_nowait()
                for number in part:
                    if ended.is_set():
                        return
                    at[me] = number
                    work(number)
                at.pop(me, None)
                done.put(part)
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)

    for _ in range(min(count, len(parts))):
        threading.Thread(target=take, daemon=True, name="decoder").start()
    waiting = Waiting(tells)
    try:
        for _ in parts:
            yield _next(done, at, waiting)
    finally:
        ended.set()


def _next(done: "queue.SimpleQueue[range | BaseException]", at: Mapping[int, int], waiting: Waiting) -> range:
    while True:
        try:
            part = done.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            waiting.look(dict(at))
            continue
        if isinstance(part, BaseException):
            raise part
        return part
