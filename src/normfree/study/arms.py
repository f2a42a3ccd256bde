"""Arms: runs that differ only in their seed, and what may be said of them together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from normfree.config.errors import UserError
from normfree.study.measures import ACCURACY, Measure
from normfree.study.outcomes import Counts, count
from normfree.study.statistics import Interval, mean_interval

VALIDATION = "validation/accuracy"
BEST_OF = "best_of"
"""The key of a panel that names the factor along which validation chooses an arm."""

Value = float | str | None
"""Of a factor: a number, the name of a choice, or none."""


@dataclass(frozen=True)
class Arm:
    """An arm by one measure, its runs by seed. `interval` is None unless every planned seed finished and was measured.

    Arms with untrained or diverged seeds are bimodal: a mean of those that trained and those that did not describes
    none of them, and a mean of the survivors describes a method that never fails.
    """

    arm_id: str
    runs: pd.DataFrame
    counts: Counts
    interval: Interval | None
    measure: Measure = ACCURACY

    def values(self, *outcomes: str) -> list[float]:
        """What was measured, as recorded, of the runs with these outcomes; unmeasured ones left out."""
        return _values(self.runs, outcomes, self.measure)

    def first(self, factor: str) -> Any:
        """A factor of the first run."""
        return self.runs[factor].iloc[0]


def arm_of(runs: pd.DataFrame, level: float = 0.95, measure: Measure = ACCURACY) -> Arm:
    """The arm of these runs, which are in order of their seeds; all of one arm, or those that a panel chooses of it."""
    counts = count(runs)
    # Summed in the order of their names, for the last bit of the mean.
    order = np.argsort(runs["run_id"].to_numpy(str), kind="stable")
    values = _values(runs.iloc[order], ("finished",), measure)
    whole = counts.planned > 0 and len(values) == counts.planned
    arm = str(runs["arm_id"].iloc[0]) if len(runs) else ""
    return Arm(arm, runs, counts, mean_interval(values, level) if whole else None, measure)


def best_by_validation(arms: Sequence[pd.DataFrame], place: str) -> int:
    """Which of these arms is chosen: that of which most seeds trained, of several the one with the highest mean
    validation accuracy of them; never by what is tested.

    Raises:
        UserError: a run that trained has no validation accuracy.
    """

    def rank(runs: pd.DataFrame) -> tuple[float, float]:
        trained = runs[runs["status"] == "finished"]
        if not len(trained):
            return 0.0, 0.0
        found = pd.to_numeric(trained[VALIDATION], errors="coerce") if VALIDATION in trained else None
        if found is None or found.isna().any():
            raise UserError(f"{place}: runs have no {VALIDATION} to choose by; leave `{BEST_OF}` out")
        return len(trained) / len(runs), float(found.mean())

    return max(range(len(arms)), key=lambda number: rank(arms[number]))


def _values(runs: pd.DataFrame, outcomes: tuple[str, ...], measure: Measure) -> list[float]:
    column = runs[measure.name]
    numbers = column if column.dtype == np.float64 else pd.to_numeric(column, errors="coerce")
    pairs = zip(runs["status"].tolist(), numbers.tolist(), strict=True)
    return [float(value) for status, value in pairs if status in outcomes and not pd.isna(value)]
