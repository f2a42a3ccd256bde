"""The account of a sweep in the terminal: how many runs ended how, and which failed."""

from typing import Any

ORDER = ("finished", "stalled", "diverged", "failed", "preempted", "missing")


def account(results: list[tuple[str, dict[str, Any] | None]]) -> tuple[list[str], bool]:
    """Lines to print, and whether any run failed.

    Args:
        results: run id and result of every planned run; ``None`` for one that was not started.
    """
    status = {run: result["status"] if result else "missing" for run, result in results}
    counts = {name: sum(each == name for each in status.values()) for name in ORDER}
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    lines = [f"{len(results)} runs: {', '.join(parts)}"]
    for run, result in results:
        if result is not None and result["status"] == "failed":
            lines.append(f"failed: {run}: {result['reason']}")
    if counts["failed"]:
        lines.append("the tracebacks are in the runs' result.json; the same command tries the failed runs again")
    return lines, counts["failed"] > 0
