"""The account of a sweep in the terminal: how many runs ended how, and which failed."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from normfree.host.wording import counted
from normfree.runs import DAMAGED, RECORDED, TERMINAL
from normfree.runs.own_fault import where_told
from normfree.runs.result import Ended

ORDER = (*RECORDED, DAMAGED, "missing", "planned")


class SweepEnd(NamedTuple):
    """How a sweep ended.

    Attributes:
        complete: every run has its result, or those that have none are jobs in a queue now.
        interrupted: Ctrl-C ended it, or the waiting for it.
        folder: of its runs; none where nothing can be said of them yet.
        runs: their names.
    """

    complete: bool = True
    interrupted: bool = False
    folder: Path | None = None
    runs: tuple[str, ...] = ()


def account(results: list[tuple[str, Ended | None]], folder: Path = Path()) -> tuple[list[str], bool]:
    """Lines to print, and whether every run has its result.

    Args:
        results: run id and result of every planned run; ``None`` for one that was not started.
        folder: where the runs are.
    """
    counts = {name: sum(_status(result) == name for _, result in results) for name in ORDER}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    lines = [f"{counted(len(results), 'run')}: {', '.join(parts)}"]
    untold = list[tuple[str, str | None]]()
    for run, result in results:
        if result is not None and result["status"] not in TERMINAL:
            where = where_told(result, folder / run)
            lines.append(f"{result['status']}: {run}: {result.get('reason', '')}{where}")
            untold += [] if where else [(run, result.get("traceback"))]
    if counts["failed"]:
        lines += tracebacks(untold)
        lines.append("the same command tries the failed runs again")
    return lines, all(_status(result) in TERMINAL for _, result in results)


def tracebacks(of_runs: Iterable[tuple[str, str | None]]) -> list[str]:
    """Every traceback once, indented, under the runs that ended with it."""
    runs: dict[str, list[str]] = {}
    for run, text in of_runs:
        if text:
            runs.setdefault(text.rstrip(), []).append(run)
    lines = []
    for text, names in runs.items():
        others = f" and {counted(len(names) - 1, 'other')}" if len(names) > 1 else ""
        lines += ["", f"traceback of {names[0]}{others}:", *(f"  {line}" for line in text.splitlines())]
    return [*lines, ""] if lines else []


def _status(result: Ended | None) -> str:
    return "planned" if result is None else str(result["status"])
