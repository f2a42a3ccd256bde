"""Threads that read what may never come, so that the one that waits for them can leave.

They are daemons: those of a pool of ``concurrent.futures`` are waited for at the end of a process, for ever if need be.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from normfree.runs.waiting import LOOK_SECONDS, Waiting

_T = TypeVar("_T")
_AHEAD = 3
"""Parts that each thread may be ahead of who takes them."""

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
    count: int, parts: Sequence[range], work: Callable[[int], _T], tells: Callable[[int], str]
) -> Iterator[list[_T]]:
    """What ``work`` gives for every number of every part, in order and a few parts ahead, in ``count`` threads.

    Args:
        tells: how the work for a number is called.

    Raises:
        UserError, Stopped: see :class:`normfree.runs.waiting.Waiting`; and the first error of the work.
    """
    left: queue.SimpleQueue[tuple[int, range]] = queue.SimpleQueue()
    for place, part in enumerate(parts):
        left.put((place, part))
    done: queue.SimpleQueue[tuple[int, list[_T]] | BaseException] = queue.SimpleQueue()
    at: dict[int, int] = {}
    ended, room = threading.Event(), threading.Semaphore(_AHEAD * count)

    def take() -> None:
        me = threading.get_ident()
        try:
            while room.acquire() and not ended.is_set():
                place, part = left.get_nowait()
                found = []
                for number in part:
                    if ended.is_set():
                        return
                    at[me] = number
                    found.append(work(number))
                at.pop(me, None)
                done.put((place, found))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)

    for _ in range(min(count, len(parts))):
        threading.Thread(target=take, daemon=True, name="reader").start()
    waiting, ready = Waiting(tells), dict[int, list[_T]]()
    try:
        for place in range(len(parts)):
            while place not in ready:
                other, found = _next(done, at, waiting)
                ready[other] = found
            room.release()
            yield ready.pop(place)
    finally:
        ended.set()
        room.release(count)


def _next(
    done: "queue.SimpleQueue[tuple[int, list[_T]] | BaseException]", at: Mapping[int, int], waiting: Waiting
) -> tuple[int, list[_T]]:
    while True:
        try:
            part = done.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            waiting.look(dict(at))
            continue
        if isinstance(part, BaseException):
            raise part
        return part
