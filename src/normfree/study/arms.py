"""Cells: the runs of one arm, which differ only in their seed, and what may be said of them together."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.experiment import Experiment, Panel, Series
from normfree.study.measures import ACCURACY, Measure, measure_of
from normfree.study.outcomes import Counts, count
from normfree.study.select import select
from normfree.study.statistics import Interval, mean_interval

_FACTORS = (
    "batch.global",
    "batch.norm_batch",
    "lr",
    "steps",
    "precision",
    "model.name",
    "clip.label",
    "data.name",
)


@dataclass(frozen=True)
class Cell:
    """One arm by one measure. `interval` is None unless every planned seed finished and was measured.

    Cells with untrained or diverged seeds are bimodal: a mean of those that trained and those that did not describes
    none of them, and a mean of the survivors describes a method that never fails.
    """

    arm_id: str
    runs: pd.DataFrame
    counts: Counts
    interval: Interval | None
    measure: Measure = ACCURACY

    def values(self, *outcomes: str) -> list[float]:
        """What was measured, as recorded, of the runs with these outcomes; unmeasured ones left out."""
        chosen = self.runs[self.runs["status"].isin(outcomes)]
        return [float(value) for value in chosen[self.measure.name].dropna()]


def cell_of(runs: pd.DataFrame, level: float = 0.95, measure: Measure = ACCURACY) -> Cell:
    """The runs of one arm as a cell."""
    counts = count(runs)
    values = pd.to_numeric(runs.loc[runs["status"] == "finished", measure.name], errors="coerce").dropna()
    whole = counts.planned > 0 and len(values) == counts.planned
    arm = str(runs["arm_id"].iloc[0]) if len(runs) else ""
    return Cell(
        arm,
        runs.sort_values(["seed", "run_id"]),
        counts,
        mean_interval(list(values), level) if whole else None,
        measure,
    )


def cells(table: pd.DataFrame, level: float = 0.95, measure: Measure = ACCURACY) -> list[Cell]:
    """All arms of the table, in order of their factors."""
    found = [cell_of(part, level, measure) for _, part in table.groupby("arm_id", sort=True)]
    return sorted(found, key=lambda cell: [_sortable(cell.runs[name].iloc[0]) for name in (*_ORDER, "arm_id")])


_ORDER = ("data.name", "model.name", "clip.label", "batch.global", "batch.norm_batch", "lr")


def along(
    table: pd.DataFrame, panel: Panel, series: Series, x: str, level: float = 0.95, measure: Measure = ACCURACY
) -> dict[float | None, Cell]:
    """The cells of one series by their value of factor `x`, ascending; None for 'has no such value', last.

    Raises:
        UserError: if a value of `x` is shared by several arms, naming the factors in which they differ.
    """
    place = f"experiment.panels.{panel.name}"
    runs = select(select(table, panel.where, f"{place}.where"), series.where, f"experiment.series.{series.name}.where")
    if x not in runs.columns:
        select(runs, {x: None}, f"{place}.x")
    found: dict[float | None, Cell] = {}
    values = pd.to_numeric(runs[x], errors="coerce")
    for value in sorted(values.dropna().unique()):
        at = f"{place}: series '{series.name}' at {x}={value:g}"
        found[float(value)] = _single(runs[values == value], at, level, measure)
    if values.isna().any():
        found[None] = _single(runs[values.isna()], f"{place}: series '{series.name}' without {x}", level, measure)
    return found


def panel_measure(panel: Panel, table: pd.DataFrame) -> Measure:
    """What a panel shows of its runs: its key `measure`, else the test accuracy.

    Raises:
        UserError: the runs have no such number.
    """
    name = panel.options.get("measure", ACCURACY.name)
    return measure_of(name, table, f"experiment.panels.{panel.name}.measure")


def _single(runs: pd.DataFrame, place: str, level: float, measure: Measure) -> Cell:
    if runs["arm_id"].nunique() > 1:
        differing = [name for name in _FACTORS if runs[name].nunique(dropna=False) > 1]
        named = ", ".join(differing) or "a factor that results do not record"
        raise UserError(f"{place} mixes {runs['arm_id'].nunique()} arms that differ in {named}; fix it in `where`")
    return cell_of(runs, level, measure)


def series_of(experiment: Experiment, table: pd.DataFrame) -> tuple[Series, ...]:
    """The declared series, or one for each network and clipping found where the file declares none."""
    if experiment.series:
        return experiment.series
    pairs = table[["model.name", "clip.label"]].dropna().drop_duplicates().sort_values(["model.name", "clip.label"])
    return tuple(
        Series(f"{model}/{clip}", f"{model}, {clip}", {"model.name": model, "clip.label": clip})
        for model, clip in pairs.itertuples(index=False)
    )


def series_label(series: tuple[Series, ...], run: pd.Series) -> str:
    """The label of the first series that a run belongs to, or its network and clipping."""
    frame = run.to_frame().T
    for one in series:
        if len(select(frame, one.where, f"experiment.series.{one.name}.where")):
            return one.label
    return ", ".join(str(run[name]) for name in ("model.name", "clip.label") if isinstance(run[name], str))


def _sortable(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float) and value == value:
        return (0, float(value), "")
    return (1, 0.0, value) if isinstance(value, str) else (2, 0.0, "")
