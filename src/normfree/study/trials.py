"""The trials of a search and the latencies of what was trained after it, from files beside the runs or the report.

`trials.csv` has a row a trial with its outcome, its validation accuracy, its latency and the values it tried,
`latency.csv` a row an arm that was timed at the end.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from normfree.config.errors import UserError

TRIALS, LATENCY = "trials.csv", "latency.csv"
OUTCOMES: Mapping[str, str] = {
    "finished": "trained to the end",
    "pruned": "stopped after its short run, as less accurate than half of the trials no slower",
    "over budget": "not trained, as its inference takes longer than the budget",
    "diverged": "a number that is not finite, or a loss that blew up",
    "untrained": "at the end no better than guessing",
    "refused": "not trained, as no network has these values",
    "failed": "an error, which is no answer; the same command tries it again",
    "running": "not at its end",
}
"""What may become of a trial."""
GRIDS = ("trials", "trials_short")
"""Of the runs of trials, and of their short runs."""
TRIALS_LABEL = "trials of the search"
_NUMBERS = ("trial", "accuracy", "short_accuracy", "latency_ms", "latency_low", "latency_high", "retry_of")
_OWN = (*_NUMBERS, "outcome", "run_id", "arm_id", "short_run_id", "reason")
_LARGEST = 64 * 2**20


def read_files(folder: Path) -> dict[str, str]:
    """The texts of these files that lie in a folder.

    Raises:
        UserError: one of them cannot be read.
    """
    found = {}
    for name in (TRIALS, LATENCY):
        path = folder / name
        if not path.is_file():
            continue
        try:
            if path.stat().st_size > _LARGEST:
                raise ValueError(f"more than {_LARGEST >> 20} MiB")
            found[name] = path.read_text(encoding="utf-8")
            parsed(name, found[name])
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path}: cannot be read ({error}); start the search again, which writes it anew"
            ) from error
    return found


def parsed(name: str, text: str) -> pd.DataFrame:
    """The rows of such a file.

    Raises:
        ValueError: they are none of its kind.
    """
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    needed = ("trial", "outcome") if name == TRIALS else ("arm_id", "latency_ms", "latency_low", "latency_high")
    if missing := [column for column in needed if column not in table]:
        raise ValueError(f"no column {missing[0]}")
    if name == TRIALS and not table["outcome"].isin(OUTCOMES).all():
        raise ValueError(f"{table['outcome'][~table['outcome'].isin(OUTCOMES)].iloc[0]} is no outcome of a trial")
    for column in _NUMBERS:
        if column in table:
            table[column] = pd.to_numeric(table[column].replace("", None))
    return table


def trials_of(files: Mapping[str, str]) -> pd.DataFrame | None:
    """The trials by number; None where there was no search."""
    return parsed(TRIALS, files[TRIALS]) if TRIALS in files else None


def latencies_of(files: Mapping[str, str]) -> dict[str, tuple[float, float, float]]:
    """Arm -> median and quartiles in ms."""
    if LATENCY not in files:
        return {}
    table = parsed(LATENCY, files[LATENCY])
    columns = ("arm_id", "latency_ms", "latency_low", "latency_high")
    return {str(arm): (ms, low, high) for arm, ms, low, high in zip(*(table[name] for name in columns), strict=True)}


def space_of(trials: pd.DataFrame) -> list[str]:
    """The keys in which trials differ."""
    return [str(name) for name in trials.columns if name not in _OWN]


def trial_runs(table: pd.DataFrame, files: Mapping[str, str]) -> pd.Series:
    """Whether each run is one of a trial and stands in no other grid."""
    if TRIALS not in files:
        return pd.Series(False, index=table.index)
    return table["grids"].map(lambda grids: bool(grids) and {name.partition("@")[0] for name in grids} <= set(GRIDS))
