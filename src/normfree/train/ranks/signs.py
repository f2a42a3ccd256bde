"""Signs of progress of ranks that SLURM started, through the store that all of them see: they have no parent here."""

import json
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch.distributed as dist
from torch.distributed import Store  # type: ignore[attr-defined]

from normfree.runs.heartbeat import Heartbeats, watched
from normfree.train.ranks.watch import COLLECTIVES, START_SECONDS

POST_SECONDS = 2.0
"""Between two signs."""

_LEAVE_SECONDS = 10.0
"""How long a rank whose store has gone may take to end as it should."""


class Signs:
    """Posts this rank's signs, from a thread, with the place where its main thread is.

    Args:
        seconds: how long no rank may get on.
    """

    def __init__(self, store: Store, number: int, size: int, seconds: float) -> None:
        self._store, self._number, self._size, self._seconds = store, number, size, seconds
        self._main = threading.main_thread().ident
        self._own = Heartbeats(1)
        watched(self._own.descriptor, 0)
        self._ended = threading.Event()
        self._posts = 0
        self._seen: list[Any] = []
        self._silent = 0.0
        self._looked = time.monotonic()
        self._post()
        threading.Thread(target=self._go_on_posting, daemon=True, name="signs").start()

    def end(self) -> None:
        self._ended.set()

    def _post(self) -> None:
        self._posts += 1
        place = _place(sys._current_frames().get(self._main or 0))
        self._store.set(f"sign{self._number}", json.dumps([self._posts, *self._own.counts()[0], place]))

    def _go_on_posting(self) -> None:
        while not self._ended.wait(min(POST_SECONDS, self._seconds / 4)):
            try:
                self._post()
            except (dist.DistError, RuntimeError):
                if not self._ended.wait(_LEAVE_SECONDS):
                    os._exit(1)  # Rank 0 has gone and this one hangs.
                return

    def hang(self) -> str | None:
        """On rank 0, now and then: why the run is to be ended, if no rank has got on for too long."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, 2 * POST_SECONDS), now
        signs = [self._sign(number) for number in range(self._size)]
        progress = [sign[1] for sign in signs]
        same = bool(self._seen) and progress == [sign[1] for sign in self._seen[-1]]
        self._silent = self._silent + passed if same else 0.0
        if not same:
            self._seen.clear()
        self._seen.append(signs)
        training = all(sign[2] for sign in signs)
        if self._silent <= (self._seconds if training else max(self._seconds, START_SECONDS)):
            return None
        return f"no rank has got on for {self._silent:.0f} s: {', '.join(self._culprits(signs))}"

    def _sign(self, number: int) -> list[Any]:
        key = f"sign{number}"
        self._store.wait([key], timedelta(seconds=START_SECONDS))
        sign: list[Any] = json.loads(self._store.get(key))
        return sign

    def _culprits(self, signs: list[list[Any]]) -> list[str]:
        earlier = self._seen[0]
        mute = [number for number in range(self._size) if signs[number][0] == earlier[number][0]]
        if mute:
            return [f"rank {number} gives no sign: it is stopped, or cut off" for number in mute]
        least = min(sign[2] for sign in signs)
        last = [number for number in range(self._size) if signs[number][2] == least]
        last = [number for number in last if COLLECTIVES not in signs[number][3]] or last
        return [f"rank {number} is at {signs[number][3]}" for number in last]


def _place(frame: FrameType | None) -> str:
    if frame is None:
        return "an unknown place"
    code = frame.f_code
    return f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}"
