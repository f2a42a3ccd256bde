"""Measures that are worked out while runs are read, where a panel or a claim asks for them.

`epochs_to:0.9`, `steps_to:0.9` and `seconds_to:0.9` are what a run took until its validation accuracy first reached
90 %, at the evaluation that saw it (`trainer.evaluate_every`, and the end); blank where it never did. Seconds are a
share of the whole run, with its evaluations; `training_seconds_to:0.9` has its steps alone.
`seconds_per_step` is the batch over the images per second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from normfree.config.errors import UserError
from normfree.runs import TERMINAL
from normfree.study.collect import Collection, columns_in_order
from normfree.study.experiment import Experiment
from normfree.study.measures import SECONDS_PER_STEP, TO_TARGET, UNITS

SOURCE = "validation/accuracy"
_ALL_POINTS = 10**9


def with_derived(experiment: Experiment, collection: Collection) -> Collection:
    """The runs with a column for each of these measures that the experiment names and the rows do not hold yet.

    While no run has ended, for whatever it names, as nobody can say what its runs will hold.

    Raises:
        UserError: a target or a unit of `time_to_target` that is none.
    """
    ended = bool(collection.table["status"].isin(TERMINAL).any())
    named = [name for name in dict.fromkeys(_named(experiment)) if name and name not in collection.table]
    wanted = [name for name in named if not ended or _worked_out(name)]
    if not wanted:
        return collection
    table = collection.table.copy()
    for name in wanted:
        if collection.is_stored and TO_TARGET.fullmatch(name):
            raise UserError(f"measure={name}: the rows stored with the report do not have it; make it from its runs")
        table[name] = _column(name, collection) if _worked_out(name) else _of_runs(table, name)
    return replace(collection, table=table[columns_in_order(map(str, table.columns))])


def _worked_out(name: str) -> bool:
    return name == SECONDS_PER_STEP.name or TO_TARGET.fullmatch(name) is not None


def to_target(options: object, place: str) -> str:
    """The measure of a panel of kind `time_to_target` by its keys `target` and `unit`.

    Raises:
        UserError: no target between 0 and 1, or an unknown unit.
    """
    assert isinstance(options, dict)
    target, unit = options.get("target"), options.get("unit", "epochs")
    if isinstance(target, bool) or not isinstance(target, int | float) or not 0 < target <= 1:
        raise UserError(f"{place}.target={target}: give the accuracy to reach as a share, such as 0.9")
    if unit not in UNITS:
        raise UserError(f"{place}.unit={unit}: no such unit; there are: {', '.join(UNITS)}")
    return f"{unit}_to:{target:g}"


def _named(experiment: Experiment) -> Iterator[str]:
    for panel in experiment.panels:
        if panel.kind == "time_to_target":
            yield to_target(dict(panel.options), f"experiment.panels.{panel.name}")
        yield str(panel.options.get("measure", ""))
        conditions = panel.options.get("conditions")
        yield from map(str, conditions.values()) if isinstance(conditions, dict) else ()
    for claim in experiment.claims:
        yield str(claim.options.get("measure", ""))


def _of_runs(table: pd.DataFrame, column: str) -> pd.Series:
    """What runs have recorded; nothing while none has ended."""
    return table[column] if column in table else pd.Series(float("nan"), table.index)


def _column(name: str, collection: Collection) -> pd.Series:
    table = collection.table
    if name == SECONDS_PER_STEP.name:
        return _of_runs(table, "batch.global") / _of_runs(table, "time.images_per_second")
    found = TO_TARGET.fullmatch(name)
    assert found is not None
    steps = pd.Series([_steps_to(collection, str(run), float(found[2])) for run in table["run_id"]], table.index)
    steps = steps.where(table["status"].isin(TERMINAL) & (table["status"] != "diverged"))
    return in_unit(steps, table, found[1])


def in_unit(steps: pd.Series, runs: pd.DataFrame, unit: str) -> pd.Series:
    """Steps of runs as `epochs`, `steps`, `seconds` or `training_seconds`: in proportion to what each run took in all,
    or in its steps, without getting ready, evaluations and its end.
    """
    images = steps * _of_runs(runs, "batch.global")
    if unit == "epochs":
        return images / _of_runs(runs, "data.train")
    if unit == "training_seconds":
        return images / _of_runs(runs, "time.images_per_second")
    return steps * _of_runs(runs, "time.seconds") / _of_runs(runs, "steps_done") if unit == "seconds" else steps


def _steps_to(collection: Collection, run_id: str, target: float) -> float:
    points = collection.curve(run_id, SOURCE, _ALL_POINTS)
    if points is None or not len(points):
        return float("nan")
    reached = np.flatnonzero(points[:, 1] >= target - 1e-12)
    return float(points[reached[0], 0]) if len(reached) else float("nan")
