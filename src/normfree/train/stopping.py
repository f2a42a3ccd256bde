"""A request to stop, by signal or by the end of the parent process."""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = signal.SIGRTMIN if hasattr(signal, "SIGRTMIN") else signal.SIGTERM
"""By which a sweep passes Ctrl-C on to its workers, who are deaf to that themselves."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, INTERRUPTED)

NO_SIGNAL = 1
"""Stands for another reason to stop than a signal, where signals are compared; it is smaller than each of them."""


class StopRequest:
    """Set once; asked at every step boundary, where a run can be saved and left.

    Args:
        also: a further condition, for instance that the parent process has gone.
    """

    def __init__(self, also: Callable[[], bool] | None = None) -> None:
        self.signal: int | None = None
        self._also = also
        self._before: dict[signal.Signals, Any] = {}

    def asked(self) -> bool:
        return self.signal is not None or (self._also is not None and self._also())

    def code(self) -> int:
        """0 while nothing is asked, else the signal that asked, or `NO_SIGNAL`."""
        return (self.signal or NO_SIGNAL) if self.asked() else 0

    def cause(self) -> str:
        """What asked, in words."""
        if self.signal is None:
            return "stopped by the end of its parent process"
        if self.signal == INTERRUPTED != signal.SIGTERM:
            return "interrupted (Ctrl-C)"
        return f"stopped by {signal.Signals(self.signal).name}{' (Ctrl-C)' if self.signal == signal.SIGINT else ''}"

    def join(self, code: int) -> None:
        """Another rank was asked to stop: so is this one, by the same signal."""
        if code != NO_SIGNAL:
            self.signal = self.signal or code

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn the first stop signal into a request; the second one ends the process as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Only the main thread may handle signals.
            return
        # A sweep's worker ignores Ctrl-C, which its parent hears as well; taking it here would make the parent's
        # own signal the second one.
        handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        self._before = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
        self.listen()
        try:
            yield
        finally:
            self._leave()

    def listen(self) -> None:
        """Take the signals, again if Lightning has taken them in between."""
        for number in self._before:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._leave()

    def _leave(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def parent_gone() -> bool:
    """Whether the process that started this one, through :mod:`multiprocessing`, has ended."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
