"""The account of a sweep in the terminal: how many runs ended how, and which failed."""

from typing import Any

from normfree.runs import TERMINAL

ORDER = ("finished", "stalled", "diverged", "failed", "preempted", "missing")


def account(results: list[tuple[str, dict[str, Any] | None]]) -> tuple[list[str], bool]:
    """Lines to print, and whether every run has its result.

    Args:
        results: run id and result of every planned run; ``None`` for one that was not started.
    """
    counts = {name: sum(_status(result) == name for _, result in results) for name in ORDER}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    lines = [f"{len(results)} runs: {', '.join(parts)}"]
    for run, result in results:
        if result is not None and result["status"] in ("failed", "preempted"):
            lines.append(f"{result['status']}: {run}: {result['reason']}")
    if counts["failed"]:
        lines.append("tracebacks are in the runs' result.json; the same command tries the failed runs again")
    return lines, all(_status(result) in TERMINAL for _, result in results)


def _status(result: dict[str, Any] | None) -> str:
    return "missing" if result is None else str(result["status"])
