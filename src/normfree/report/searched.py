"""The tables of a search: what became of its trials, and its best with further seeds beside the others."""

from __future__ import annotations

import pandas as pd

from normfree.report.grid import Grid, grid, measured, number
from normfree.study import Arm, Study
from normfree.study.arms import VALIDATION, arm_of
from normfree.study.trials import OUTCOMES, latencies_of, space_of, trials_of


def outcomes_grid(study: Study) -> Grid:
    """How many trials came to what; empty where there was no search."""
    trials = trials_of(study.collection.files)
    if trials is None:
        return grid([], [])
    counts = trials["outcome"].value_counts()
    rows = [[name, str(counts[name]), meaning] for name, meaning in OUTCOMES.items() if name in counts]
    return grid([("trials", False), ("n", True), ("which", False)], [*rows, ["all", str(len(trials)), ""]])


def members_grid(study: Study) -> Grid:
    """One row an arm that was trained after the search: latency, the trial's validation accuracy, and its test accuracy
    over further seeds.
    """
    files = study.collection.files
    trials, latencies = trials_of(files), latencies_of(files)
    if trials is None:
        return grid([], [])
    keys, rows = space_of(trials), []
    of_arm = {str(row["arm_id"]): row for _, row in trials[trials["arm_id"] != ""].iterrows()}
    for one in study.series:
        for arm in _arms(study, one.where):
            trial = of_arm.get(arm.arm_id) if _is_found(arm) else None
            ms = latencies.get(arm.arm_id)
            rows.append(
                [
                    one.label,
                    "" if ms is None else f"{ms[0]:.3g} [{ms[1]:.3g}, {ms[2]:.3g}]",
                    number(float(arm.first("model.parameters"))) if pd.notna(arm.first("model.parameters")) else "",
                    "" if trial is None else f"{100 * trial['accuracy']:.1f}",
                    _validation(arm),
                    measured(arm),
                    str(len(arm.runs)),
                    *("" if trial is None else str(trial[key]) for key in keys),
                ]
            )
    heads = [("series", False), ("latency (ms)", True), ("parameters", True), ("chosen by, validation (%)", True)]
    heads += [("validation, further seeds (%)", True), ("test accuracy (%)", True), ("n", True)]
    return grid([*heads, *((key, False) for key in keys)], rows).grouped()


def _is_found(arm: Arm) -> bool:
    return any("front" in grids for grids in arm.runs["grids"])


def _validation(arm: Arm) -> str:
    values = pd.to_numeric(arm.runs[VALIDATION], errors="coerce").dropna()
    return f"{100 * values.mean():.1f}" if len(values) == len(arm.runs) else ""


def _arms(study: Study, where: object) -> list[Arm]:
    """The arms of a series by latency, of their runs that belong to it."""
    from normfree.study.select import select

    assert isinstance(where, dict)
    runs, latencies = select(study.by_seed, where), latencies_of(study.collection.files)
    found = [arm_of(part, study.experiment.level) for _, part in runs.groupby("arm_id", sort=True)]
    return sorted(found, key=lambda arm: latencies.get(arm.arm_id, (0.0, 0.0, 0.0)))
