"""``trials.csv`` and ``latency.csv`` in the folder of the runs: what a report reads of a search, without Optuna."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from normfree.host.files import write_text_atomic
from normfree.sweep.trials.space import Dimension
from normfree.sweep.trials.trial import Trial

TRIALS_FILE, LATENCY_FILE = "trials.csv", "latency.csv"
_COLUMNS = (
    "trial", "outcome", "accuracy", "short_accuracy", "latency_ms", "latency_low", "latency_high", "retry_of", "run_id",
    "arm_id", "short_run_id", "reason",
)  # fmt: skip
LATENCY_COLUMNS = (
    "arm_id", "grid", "trial", "latency_ms", "latency_low", "latency_high", "batch", "threads", "rounds", "clock",
    "device", "words",
)  # fmt: skip


def write_trials(folder: Path, trials: Sequence[Trial], space: Sequence[Dimension]) -> None:
    """A row a trial, by number, with a column for each key of the space."""
    rows = []
    for trial in trials:
        latency = trial.facts.get("latency") or [None] * 3
        known = {name: trial.facts.get(name) for name in ("accuracy", "short_accuracy", "run_id", "arm_id")}
        rows.append(
            {"trial": trial.number, "outcome": trial.outcome, "retry_of": trial.retry_of}
            | known
            | dict(zip(("latency_ms", "latency_low", "latency_high"), latency, strict=True))
            | {"short_run_id": trial.facts.get("short_run_id"), "reason": trial.facts.get("reason")}
            | dict(word.split("=", 1) for word in trial.words)
        )
    _write(folder / TRIALS_FILE, (*_COLUMNS, *(one.key for one in space)), rows)


def write_latencies(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A row an arm that was trained with further seeds, and one for each beside them."""
    _write(folder / LATENCY_FILE, LATENCY_COLUMNS, rows)


def arms_timed(folder: Path) -> set[tuple[str, str]]:
    """Arm and grid of every row of ``latency.csv``; none where there is no such file."""
    try:
        text = (folder / LATENCY_FILE).read_text(encoding="utf-8")
    except OSError:
        return set()
    return {(row.get("arm_id") or "", row.get("grid") or "") for row in csv.DictReader(io.StringIO(text))}


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if row.get(key) is None else row[key] for key in columns} for row in rows)
    write_text_atomic(path, text.getvalue(), durable=False)
