"""Where a sweep is: runs done, running and failed, and the time left."""

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from normfree.host.durations import duration
from normfree.host.wording import counted
from normfree.sweep.account import ORDER
from normfree.sweep.live_table import live_table
from normfree.sweep.pool import Event
from normfree.sweep.schedule import Schedule

_SECONDS_BETWEEN_LINES = 15.0
_SHARE_BEFORE_A_FORECAST = 0.02


class SweepProgress:
    """A table that is kept up to date on a terminal; elsewhere a line when a run ends, at most every few seconds.

    A context manager; what is shown stays when it is left.

    Args:
        planned: runs of the sweep.
        done: runs that had their result before.
        schedule: the runs to train, and the work of each.
        quiet: nothing is printed where there is no terminal.

    Attributes:
        queued: runs that wait in a cluster's queue.
        elsewhere: runs that another process trains.
    """

    def __init__(self, planned: int, done: int, schedule: Schedule, quiet: bool = False) -> None:
        self.queued = 0
        self.elsewhere: set[str] = set()
        self._planned = planned
        self._done = done
        self._schedule = schedule
        self._share: dict[str, float] = {}
        self._ended: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._began = time.monotonic()
        self._printed = 0.0
        self._quiet = quiet
        if not quiet:
            print(f"{counted(planned, 'run')} planned, {done} of them done", flush=True)
        self._live: Live | None = None
        if sys.stdout.isatty():
            self._live = Live(console=Console(), get_renderable=lambda: live_table(self), refresh_per_second=4)
            self._live.start()

    def show(self, event: Event) -> None:
        """Take what a worker said and show where the sweep is."""
        self._share[event.run_id] = event.share
        if event.elsewhere:
            if not self.elsewhere:
                print(f"{event.elsewhere.partition(';')[0]}; this sweep waits for its result", flush=True)
            self.elsewhere.add(event.run_id)
        else:
            self.elsewhere.discard(event.run_id)
        if event.result is not None:
            self._finished.add(event.run_id)
            self._ended[event.result["status"]] += 1
            if self._live is not None and event.result["status"] == "failed":
                reason = f"failed: {event.run_id}: {event.result['reason']}"
                self._live.console.print(reason, style="red", markup=False, highlight=False, soft_wrap=True)
        self.refresh()

    def refresh(self) -> None:
        """Show the time, and how many are queued, anew."""
        now = time.monotonic()
        last = len(self._finished) == len(self._schedule.runs)
        if self._live is None and not self._quiet and (last or now - self._printed >= _SECONDS_BETWEEN_LINES):
            print(self.line(now), flush=True)
            self._printed = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def counts(self) -> dict[str, int]:
        """Runs done, running, queued and elsewhere, then those of each status but finished that this sweep came to."""
        found = {"done": self._done + len(self._finished), "running": len(self.running())}
        found |= {"queued": self.queued, "elsewhere": len(self.elsewhere)}
        return found | {status: self._ended[status] for status in ORDER if status != "finished"}

    @property
    def planned(self) -> int:
        return self._planned

    def running(self) -> dict[str, float]:
        """The share of its steps that each run that is being trained has done."""
        return {run: share for run, share in self._share.items() if run not in self._finished | self.elsewhere}

    def gone(self, now: float) -> str:
        return duration(now - self._began)

    def left(self, now: float) -> str | None:
        """``None`` while too little is done for a forecast."""
        work = sum(self._schedule.work(run) for run in self._schedule.runs)
        worked = sum(self._schedule.work(run) * share for run, share in self._share.items())
        if worked < _SHARE_BEFORE_A_FORECAST * work:
            return None
        return duration((now - self._began) * (work - worked) / worked)

    def line(self, now: float) -> str:
        """``12/75 runs done, 2 running, 1 diverged, 0:40 gone, 3:10 left``."""
        counts = self.counts()
        parts = [f"{counts.pop('done')}/{self._planned} runs done", f"{counts.pop('running')} running"]
        parts += [f"{count} {name}" for name, count in counts.items() if count]
        parts.append(f"{self.gone(now)} gone")
        left = self.left(now)
        return ", ".join(parts if left is None else [*parts, f"{left} left"])
