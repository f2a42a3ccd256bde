"""What ``python runs.py`` prints: the runs of an experiment, or the experiments of a folder."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from normfree.cli.progress import duration
from normfree.sweep.account import tracebacks
from normfree.sweep.retry import RETRIED
from normfree.sweep.state import STATES, CellState, cell_states, count_states

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

SORTS: dict[str, Callable[[CellState], Any]] = {
    "state": lambda cell: _ORDER.index(cell.state),
    "run": lambda cell: cell.run_id,
    "seed": lambda cell: -1 if cell.seed is None else cell.seed,
    "accuracy": lambda cell: -1.0 if cell.accuracy is None else cell.accuracy,
    "time": lambda cell: -1.0 if cell.seconds is None else cell.seconds,
}
"""What rows can be sorted by; those without the number come first, or last the other way round."""


def show(
    console: Console, folder: Path, states: Sequence[CellState], everything: bool, match: str = "", sort: str = "state"
) -> None:
    """The table of runs, the tracebacks of the failed ones and the counts.

    Args:
        everything: rows for finished runs too.
        match: a part of the names of those that are shown and counted.
        sort: one of `SORTS`, with a minus before it the other way round.
    """
    states = [cell for cell in states if match in cell.run_id]
    rows = sorted((cell for cell in states if everything or cell.state != "finished"), key=lambda cell: cell.run_id)
    rows.sort(key=SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))
    width = max((len(cell.run_id) for cell in rows), default=0)
    if rows:
        head = f"{'run':{width}}  {'state':9}  {'job':10}  done  {'seed':>4}  {'test %':>6}  {'time':>8}"
        line(console, head, "bold")
    for cell in rows:
        line(console, f"{cell.run_id:{width}}  {_row(cell)}".rstrip(), _STYLES.get(cell.state, ""))
        if cell.reason:
            line(console, f"    {cell.reason}", "dim")
    for text in tracebacks((cell.run_id, cell.traceback) for cell in states):
        line(console, text)
    line(console, count_states(list(states)))
    again = [name for name in RETRIED if name != "planned" and any(cell.state == name for cell in states)]
    if again:
        line(console, f"start again: python runs.py experiment={folder.name}{_where(folder)} retry={','.join(again)}")


def show_experiments(console: Console, runs_dir: Path) -> None:
    """A row for each experiment: how many runs ended how, and when something last came of one."""
    folders = [path for path in sorted(runs_dir.glob("[!._]*")) if path.is_dir()] if runs_dir.is_dir() else []
    rows = [(folder, states) for folder in folders if (states := cell_states(folder))]
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
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _row(cell: CellState) -> str:
    done = "" if cell.share is None else f"{cell.share:.0%}"
    seed = "" if cell.seed is None else str(cell.seed)
    accuracy = "" if cell.accuracy is None else f"{100 * cell.accuracy:.1f}"
    time = "" if cell.seconds is None else duration(cell.seconds)
    return f"{cell.state:9}  {cell.job or '':10}  {done:>4}  {seed:>4}  {accuracy:>6}  {time:>8}"


def _where(folder: Path) -> str:
    return "" if folder.parent == Path("runs") else f" runs_dir={folder.parent}"
