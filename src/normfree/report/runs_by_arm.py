"""The runs behind each arm, for the page: a table with the learning curve of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from normfree.report.facts import anchor_of
from normfree.report.grid import measured, number
from normfree.study import Arm, Study
from normfree.study.factor_names import head_of_factor
from normfree.study.measures import ACCURACY

COLUMN = "train/loss"
MOST_RUNS = 600
"""Of a report whose runs have curves on the page; more would make it slow to open."""
_POINTS, _WIDTH, _HEIGHT = 40, 120, 22


@dataclass(frozen=True)
class RunOfArm:
    """One run; `curve` are the points of a line in a box of `_WIDTH` by `_HEIGHT`, empty where there is no record."""

    run_id: str
    seed: str
    status: str
    accuracy: str
    seconds: str
    curve: str


@dataclass(frozen=True)
class RunsOfArm:
    """An arm with its runs; `title` is its series and factors, `accuracy` as in the table of arms."""

    anchor: str
    title: str
    accuracy: str
    runs: tuple[RunOfArm, ...]


def runs_by_arm(study: Study) -> list[RunsOfArm]:
    """All arms, in order of their factors, curves of one report on one scale."""
    return [
        RunsOfArm(
            anchor_of(arm),
            _title(arm, study.varying_settings),
            measured(arm),
            tuple(_runs(arm, study, len(study.table) <= MOST_RUNS)),
        )
        for arm in study.arms()
    ]


def _title(arm: Arm, varying: Sequence[str]) -> str:
    values = [(head_of_factor(name), number(arm.first(name))) for name in varying]
    return ", ".join([str(arm.first("series")), *(f"{head} {value}" for head, value in values if value)])


def _runs(arm: Arm, study: Study, drawn: bool) -> list[RunOfArm]:
    found = []
    for row in arm.runs.to_dict("records"):
        run_id, accuracy, seconds = str(row["run_id"]), row[ACCURACY.name], row["time.seconds"]
        whole = drawn and row["status"] not in ("damaged", "missing")
        points = study.curve(run_id, COLUMN, _POINTS) if whole else None
        found.append(
            RunOfArm(
                run_id,
                number(row["seed"]),
                str(row["status"]),
                "" if pd.isna(accuracy) or row["status"] == "diverged" else f"{100 * accuracy:.1f}",
                "" if pd.isna(seconds) else f"{seconds:.1f}",
                "" if points is None or len(points) < 2 else line(points),
            )
        )
    return found


def line(points: NDArray[np.float64]) -> str:
    """`x,y x,y ...` within the box: from the first to the last step, from 0 to the highest value."""
    steps, values = points[:, 0], points[:, 1]
    across = _WIDTH * (steps - steps[0]) / max(float(np.ptp(steps)), 1e-9)
    up = _HEIGHT * (1 - values / max(float(values.max()), 1e-9))
    return " ".join(f"{x:.0f},{y:.1f}" for x, y in zip(across, np.clip(up, 0, _HEIGHT), strict=True))
