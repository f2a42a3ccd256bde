"""What ``python runs.py`` prints: the runs of an experiment, or the experiments of a folder."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from normfree.host.durations import duration
from normfree.host.spoken import spoken
from normfree.sweep.account import tracebacks
from normfree.sweep.retry import RETRIED
from normfree.sweep.state import STATES, RunState, count_states, current, run_states, told_earlier

_STYLES = {
    "queued": "cyan",
    "running": "bold cyan",
    "untrained": "yellow",
    "diverged": "yellow",
    "failed": "bold red",
    "damaged": "red",
    "missing": "red",
}
_ORDER = list(STATES)

SORTS: dict[str, Callable[[RunState], Any]] = {
    "state": lambda one: _ORDER.index(one.state),
    "run": lambda one: one.run_id,
    "seed": lambda one: -1 if one.seed is None else one.seed,
    "accuracy": lambda one: -1.0 if one.accuracy is None else one.accuracy,
    "time": lambda one: -1.0 if one.seconds is None else one.seconds,
}
"""What rows can be sorted by; those without the number come first, or last the other way round."""


def show(
    console: Console, folder: Path, states: Sequence[RunState], everything: bool, match: str = "", sort: str = "state"
) -> None:
    """The table of runs, the tracebacks of the failed ones and the counts; those that are not `current` are told.

    Args:
        everything: rows for finished runs too.
        match: a part of the names of those that are shown and counted.
        sort: one of `SORTS`, with a minus before it the other way round.
    """
    every = [one for one in states if match in one.run_id]
    states = current(every)
    rows = sorted((one for one in states if everything or one.state != "finished"), key=lambda one: one.run_id)
    rows.sort(key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))
    width = max((len(one.run_id) for one in rows), default=0)
    if rows:
        head = f"{'run':{width}}  {'state':9}  {'job':10}  done  {'seed':>4}  {'test %':>6}  {'time':>8}"
        line(console, head, "bold")
    for one in rows:
        line(console, f"{one.run_id:{width}}  {_row(one)}".rstrip(), _STYLES.get(one.state, ""))
        if one.reason:
            line(console, f"    {one.reason}", "dim")
    for text in tracebacks((one.run_id, one.traceback) for one in states):
        line(console, text)
    line(console, count_states(states))
    for text in told_earlier(every):
        line(console, text, "dim")
    again = [name for name in RETRIED if name != "planned" and any(one.state == name for one in states)]
    if again:
        line(console, f"start again: python runs.py experiment={folder.name}{_where(folder)} retry={','.join(again)}")


def show_experiments(console: Console, runs_dir: Path) -> None:
    """A row for each experiment: how many runs ended how, and when something last came of one."""
    folders = [path for path in sorted(runs_dir.glob("[!._]*")) if path.is_dir()] if runs_dir.is_dir() else []
    rows = [(folder, states) for folder in folders if (states := current(run_states(folder)))]
    if not rows:
        line(console, f"runs_dir={runs_dir}: no runs yet; python train.py trains one, -m experiment=NAME a sweep")
        return
    width = max(len(folder.name) for folder, _ in rows)
    for folder, states in rows:
        written = [path.stat().st_mtime for path in folder.glob("*/result.json")]
        last = f"{datetime.fromtimestamp(max(written)):%Y-%m-%d %H:%M}" if written else ""
        line(console, f"{folder.name:{width}}  {last:16}  {count_states(states)}".rstrip())
    line(console, f"the runs of one: python runs.py experiment={rows[-1][0].name}{_where(rows[-1][0])} all=true")


def line(console: Console, text: str, style: str = "") -> None:
    """One line as it is, however long."""
    console.print(spoken(text), style=style, markup=False, highlight=False, soft_wrap=True)


def _row(one: RunState) -> str:
    done = "" if one.share is None else f"{one.share:.0%}"
    seed = "" if one.seed is None else str(one.seed)
    accuracy = "" if one.accuracy is None else f"{100 * one.accuracy:.1f}"
    time = "" if one.seconds is None else duration(one.seconds)
    return f"{one.state:9}  {one.job or '':10}  {done:>4}  {seed:>4}  {accuracy:>6}  {time:>8}"


def _where(folder: Path) -> str:
    return "" if folder.parent == Path("runs") else f" runs_dir={folder.parent}"
