"""One line for a sweep: cells done, running and failed, and the time left."""

import sys
import time
from collections import Counter

from normfree.cli.progress import duration
from normfree.sweep.pool import Event

_SECONDS_BETWEEN_LINES = 15.0
_SHARE_BEFORE_A_FORECAST = 0.02


class SweepLine:
    """Rewritten on a terminal; elsewhere printed when a run ends, at most every few seconds.

    Args:
        planned: cells of the sweep.
        done: cells that had their result before.
        images: training images of each cell to run, the measure of its work.

    Attributes:
        queued: cells that wait in a cluster's queue.
    """

    def __init__(self, planned: int, done: int, images: dict[str, int]) -> None:
        self.queued = 0
        self._planned = planned
        self._done = done
        self._images = images
        self._share: dict[str, float] = {}
        self._ended: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._began = time.monotonic()
        self._printed = 0.0
        self._rewrite = sys.stdout.isatty()
        print(f"{planned} runs planned, {done} of them done", flush=True)

    def show(self, event: Event) -> None:
        """Take what a worker said and show where the sweep is."""
        self._share[event.run_id] = event.share
        if event.result is not None:
            self._finished.add(event.run_id)
            self._ended[event.result["status"]] += 1
        self.refresh()

    def refresh(self) -> None:
        """Show the time, and how many are queued, anew."""
        now = time.monotonic()
        last = len(self._finished) == len(self._images)
        if self._rewrite:
            sys.stdout.write(f"\r{self.line(now):<110}")
            sys.stdout.flush()
        elif last or now - self._printed >= _SECONDS_BETWEEN_LINES:
            print(self.line(now), flush=True)
            self._printed = now

    def end(self) -> None:
        if self._rewrite:
            sys.stdout.write("\n")
            sys.stdout.flush()

    def line(self, now: float) -> str:
        running = [share for run, share in self._share.items() if run not in self._finished]
        parts = [f"{self._done + len(self._finished)}/{self._planned} runs done", f"{len(running)} running"]
        parts += [f"{self.queued} queued"] if self.queued else []
        parts += [f"{count} {status}" for status, count in sorted(self._ended.items()) if status != "finished"]
        parts.append(f"{duration(now - self._began)} gone")
        work = sum(self._images.values())
        worked = sum(self._images[run] * share for run, share in self._share.items())
        if worked >= _SHARE_BEFORE_A_FORECAST * work:
            parts.append(f"{duration((now - self._began) * (work - worked) / worked)} left")
        return ", ".join(parts)
