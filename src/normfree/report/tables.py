"""The report's numbers as CSV: runs, cells, outcomes of series over a panel, and what became of the planned runs."""

from __future__ import annotations

import pandas as pd

from normfree.report.escaping import csv_text
from normfree.study import Cell, Collection, Experiment, accounting, along, cells, count, series_of
from normfree.study.arms import panel_measure, series_label

CELL_FACTORS = (
    "model.name", "model.normalizer", "clip.name", "clip.label", "data.name",
    "batch.global", "batch.norm_batch", "lr", "precision", "steps",
)  # fmt: skip


def runs_table(experiment: Experiment, collection: Collection) -> pd.DataFrame:
    """One row a planned run: its series, outcome, factors and measurements."""
    table = with_series(experiment, collection)
    table["grids"] = table["grids"].map(";".join)
    first = ["run_id", "series", "status", "reason", "seed"]
    rest = [name for name in table.columns if name not in (*first, "traceback")]
    return table[[*first, *rest]].sort_values("run_id", ignore_index=True)


def with_series(experiment: Experiment, collection: Collection) -> pd.DataFrame:
    """The collected table with a column `series` of labels."""
    table = collection.table.copy()
    series = series_of(experiment, table)
    labels = {arm: series_label(series, part.iloc[0]) for arm, part in table.groupby("arm_id")}
    table["series"] = table["arm_id"].map(labels).astype(object)
    return table


def cells_table(experiment: Experiment, collection: Collection) -> pd.DataFrame:
    """One row a cell: its factors, counts, and its accuracy where all seeds trained."""
    rows = []
    for cell in cells(with_series(experiment, collection), experiment.level):
        run, interval, counts = cell.runs.iloc[0], cell.interval, cell.counts
        rows.append(
            {"series": run["series"], **{name: run[name] for name in CELL_FACTORS}}
            | {"planned": counts.planned, "trained": counts.trained, "untrained": counts.untrained}
            | {"diverged": counts.diverged, "open": counts.open, "stalled": counts.stalled}
            | {
                "test/accuracy/mean": interval.estimate if interval else None,
                "test/accuracy/low": interval.low if interval else None,
                "test/accuracy/high": interval.high if interval else None,
                "test/accuracy/seeds": ";".join(f"{value:g}" for value in cell.values("finished")),
                "test/accuracy/untrained_seeds": ";".join(f"{value:g}" for value in cell.values("untrained")),
                "test/accuracy/diverged_seeds": ";".join(f"{value:g}" for value in cell.values("diverged")),
                "level": experiment.level,
                "arm_id": cell.arm_id,
            }
        )
    return pd.DataFrame(rows)


def series_table(experiment: Experiment, collection: Collection) -> pd.DataFrame:
    """One row a panel and series, over all its cells: what became of its runs.

    There is no accuracy over several cells: that of the runs that trained would be best for a series whose hardest
    cells failed.
    """
    rows = []
    for title, one, found in conditions(experiment, collection):
        parts = [cell.runs for cell in found.values()]
        if not parts:
            continue
        counts = count(pd.concat(parts))
        whole = sum(cell.counts.trained == cell.counts.planned for cell in found.values())
        rows.append(
            {"panel": title, "series": one, "cells": len(found), "cells_trained": whole, "planned": counts.planned}
            | {"trained": counts.trained, "untrained": counts.untrained, "diverged": counts.diverged}
            | {"open": counts.open, "stalled": counts.stalled}
        )
    return pd.DataFrame(rows)


def conditions(experiment: Experiment, collection: Collection) -> list[tuple[str, str, dict[float | None, Cell]]]:
    """Panel title, series label and cells by condition, for every panel that shows accuracy over a factor."""
    found = []
    table = collection.table
    every = series_of(experiment, table)
    for panel in experiment.panels:
        if panel.kind == "accuracy_over":
            measure = panel_measure(panel, table)
            for one in every:
                if one.name in panel.series or not panel.series:
                    x = str(panel.options.get("x"))
                    found.append((panel.title, one.label, along(table, panel, one, x, experiment.level, measure)))
    return found


def failures_table(experiment: Experiment, collection: Collection) -> pd.DataFrame:
    """Planned runs and their outcomes, for each series and for all."""
    table = with_series(experiment, collection)
    each = accounting(table, ["series"])
    total = {"series": "all", **vars(count(table))}
    return pd.concat([each, pd.DataFrame([total])], ignore_index=True)


def csv(table: pd.DataFrame) -> bytes:
    """As CSV with unix line ends; whole numbers without a decimal point, blanks for what was not recorded.

    No text of it is a formula to a spreadsheet.
    """
    shown = table.copy()
    for name in shown.columns:
        if pd.api.types.is_float_dtype(shown[name]):
            values = shown[name].dropna()
            # Beyond 2^53 every float is whole.
            if len(values) and (values % 1 == 0).all() and (values.abs() < 2**53).all() and name not in ("lr",):
                shown[name] = shown[name].astype("Int64")
        elif shown[name].dtype == object or pd.api.types.is_string_dtype(shown[name]):
            shown[name] = shown[name].map(lambda cell: csv_text(cell) if isinstance(cell, str) else cell)
    shown.columns = [csv_text(str(name)) for name in shown.columns]
    return bytes(shown.to_csv(index=False, lineterminator="\n", na_rep="").encode("utf-8"))
