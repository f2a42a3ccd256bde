"""Waiting for a disk that may never answer: so long and no longer, told with what it is, ended by a request to stop.

Python goes on waiting after a signal whose handler only makes a note. Who waits looks up here twice a second instead.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from normfree.config import UserError

LOOK_SECONDS = 0.5
"""Between two looks."""

TELL_SECONDS = 30.0
"""After which a wait is told of."""

STOP_SECONDS = 5.0
"""How long what is waited for may still come after a request to stop."""

_LONGEST_LOOK = 2.0


class Stopped(Exception):
    """This process was asked to stop while it waited, and what it waited for did not come."""


def _never() -> bool:
    return False


_limit, _asked = 150.0, _never


@contextmanager
def bounded(seconds: float, asked: Callable[[], bool]) -> Iterator[None]:
    """How long each wait of this process may take, and who knows whether it is asked to stop."""
    global _limit, _asked
    before = _limit, _asked
    _limit, _asked = seconds, asked
    try:
        yield
    finally:
        _limit, _asked = before


class Waiting:
    """One wait, for one or several things at once: things that stay the same are what does not come.

    Time in which this process was stopped itself does not count.

    Args:
        tells: how a thing is called.
    """

    def __init__(self, tells: Callable[[Any], str]) -> None:
        self._tells = tells
        self._looked = time.monotonic()
        self._seconds: dict[tuple[int, Any], float] = {}
        self._since_asked = 0.0
        self._told = False

    def look(self, things: Mapping[int, Any], limited: bool = True) -> None:
        """Still waiting: ``things`` are what each of those who work on it is at.

        Args:
            limited: ``False`` for a wait that may take as long as it takes.

        Raises:
            UserError: one of them has been at the same thing for too long.
            Stopped: a request to stop has not been heard in time.
        """
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, _LONGEST_LOOK), now
        self._seconds = {pair: self._seconds.get(pair, -passed) + passed for pair in things.items()}
        (_, longest), seconds = max(self._seconds.items(), key=lambda item: item[1], default=((0, None), 0.0))
        if _asked():
            self._since_asked += passed
            if self._since_asked >= STOP_SECONDS:
                raise Stopped(f"waiting for {self._tells(longest)}" if longest is not None else "waiting for images")
        if limited and seconds >= _limit:
            raise UserError(
                f"{self._tells(longest)}: not read in {seconds:.0f} s, its disk or network file system does not "
                "answer; see that it does, or move the images, and run the same command again "
                "(trainer.hang_minutes says how long is waited, twice this time)"
            )
        if seconds >= TELL_SECONDS and not self._told:
            self._told = True
            warnings.warn(f"waiting for {self._tells(longest)} for {seconds:.0f} s", stacklevel=3)
