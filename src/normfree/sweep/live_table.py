"""The table of a sweep on a terminal: how many runs are where, the time left, and what is running."""

import time
from typing import Protocol

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

MOST_ROWS = 8
"""Runs being trained that are shown with a bar of their own."""

_STYLES = {
    "done": "bold",
    "running": "cyan",
    "untrained": "yellow",
    "diverged": "yellow",
    "failed": "bold red",
    "left": "bold",
}
_ALWAYS = ("done", "running", "diverged", "failed", "gone", "left")


class Progress(Protocol):
    """What is shown."""

    @property
    def planned(self) -> int: ...

    def counts(self) -> dict[str, int]: ...

    def running(self) -> dict[str, float]: ...

    def gone(self, now: float) -> str: ...

    def left(self, now: float) -> str | None: ...


def live_table(progress: Progress) -> RenderableType:
    """The counts as a row, then a bar for each run being trained, the one that is nearest its end first."""
    now = time.monotonic()
    texts = {name: str(count) for name, count in progress.counts().items()}
    texts["done"] += f"/{progress.planned}"
    texts |= {"gone": progress.gone(now), "left": progress.left(now) or "?"}
    shown = {name: text for name, text in texts.items() if name in _ALWAYS or text != "0"}
    counts = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, text in shown.items():
        style = _STYLES.get(name, "") if text != "0" else "dim"
        counts.add_column(name, justify="right", style=style)
    counts.add_row(*shown.values())
    running = sorted(progress.running().items(), key=lambda item: -item[1])
    bars = Table.grid(padding=(0, 1))
    for run, share in running[:MOST_ROWS]:
        bars.add_row(ProgressBar(total=1.0, completed=share, width=20), f"{share:4.0%}", run)
    more = f"and {len(running) - MOST_ROWS} more" if len(running) > MOST_ROWS else ""
    return Group(counts, bars, more) if more else Group(counts, bars)
