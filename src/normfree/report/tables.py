"""The report's numbers as CSV: runs, arms, outcomes of series over a panel, and what became of the planned runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from normfree.report.escaping import csv_text
from normfree.study import Arm, Experiment, Study, Value, accounting, count
from normfree.study.factor_names import column_of
from normfree.study.measures import ACCURACY
from normfree.study.study import SETTINGS

ARM_FACTORS = (
    "model.name", "model.normalizer", "clip.name", "clip.label", "data.name",
    *SETTINGS,
)  # fmt: skip
ALONG = ("accuracy_over",)
"""Kinds of panel whose numbers are in the tables."""
_COUNTED = ("planned", "trained", "untrained", "diverged", "open", "stalled")


def runs_table(study: Study) -> pd.DataFrame:
    """One row a planned run: its series, outcome, factors and measurements.

    Of the factors that stand in the plan alone, those that vary, and those that the experiment's file names.
    """
    table = study.table.copy()
    named = set(_named(study.experiment))
    constant = [name for name in study.collection.unrecorded if table[name].nunique(dropna=False) < 2]
    table = table.drop(columns=[name for name in constant if name not in named])
    table["grids"] = table["grids"].map(";".join)
    first = ["run_id", "series", "status", "reason", "seed"]
    rest = [name for name in table.columns if name not in (*first, "traceback")]
    return table[[*first, *rest]].sort_values("run_id", ignore_index=True)


def _named(experiment: Experiment) -> Iterator[str]:
    """The factors of all conditions and axes."""
    conditions = [one.where for one in experiment.series] + [panel.where for panel in experiment.panels]
    for claim in experiment.claims:
        sides = [claim.options.get(side) for side in ("a", "b")]
        held = [claim.options, *(side for side in sides if isinstance(side, Mapping))]
        conditions += [one["where"] for one in held if isinstance(one.get("where"), Mapping)]
    axes = [panel.options.get(key) for panel in experiment.panels for key in ("x", "y")]
    yield from (column_of(str(word)) for where in conditions for word in where)
    yield from (column_of(word) for word in axes if isinstance(word, str))


def arms_table(study: Study) -> pd.DataFrame:
    """One row an arm: its factors, counts, and its accuracy, and what else panels show, where all seeds trained."""
    panels = [panel for panel in study.experiment.panels if panel.kind in ALONG]
    others = dict.fromkeys(measure for panel in panels if (measure := study.measure(panel)) != ACCURACY)
    rows = []
    for number, arm in enumerate(study.arms()):
        counts = arm.counts
        rows.append(
            {name: arm.first(name) for name in ("series", *ARM_FACTORS)}
            | {"planned": counts.planned, "trained": counts.trained, "untrained": counts.untrained}
            | {"diverged": counts.diverged, "open": counts.open, "stalled": counts.stalled}
            | _measured(arm)
            | {"level": study.experiment.level, "arm_id": arm.arm_id}
        )
        for measure in others:
            rows[-1] |= _measured(study.arms(measure)[number])
    return pd.DataFrame(rows)


def _measured(arm: Arm) -> dict[str, object]:
    """Mean and interval of an arm where it has them, and its seeds by what became of them."""
    name, interval = arm.measure.name, arm.interval
    return {
        f"{name}/mean": interval.estimate if interval else None,
        f"{name}/low": interval.low if interval else None,
        f"{name}/high": interval.high if interval else None,
        f"{name}/seeds": ";".join(f"{value:g}" for value in arm.values("finished")),
        f"{name}/untrained_seeds": ";".join(f"{value:g}" for value in arm.values("untrained")),
        f"{name}/diverged_seeds": ";".join(f"{value:g}" for value in arm.values("diverged")),
    }


def series_table(study: Study) -> pd.DataFrame:
    """One row a panel and series, over all its arms: what became of its runs.

    There is no accuracy over several arms: that of the runs that trained would be best for a series whose hardest
    arms failed.
    """
    rows = []
    for title, one, found in conditions(study):
        each = [arm.counts for arm in found.values()]
        if not each:
            continue
        total = {name: sum(getattr(counts, name) for counts in each) for name in _COUNTED}
        whole = sum(counts.trained == counts.planned for counts in each)
        rows.append({"panel": title, "series": one, "arms": len(found), "arms_trained": whole} | total)
    return pd.DataFrame(rows)


def conditions(study: Study) -> list[tuple[str, str, dict[Value, Arm]]]:
    """Panel title, series label and arms by condition, for every panel that shows a measure over a factor."""
    found = []
    for panel in study.experiment.panels:
        if panel.kind in ALONG:
            chosen = [one for one in study.series if one.name in panel.series or not panel.series]
            found += [(panel.title, one.label, study.along(panel, one)) for one in chosen]
    return found


def failures_table(study: Study) -> pd.DataFrame:
    """Planned runs and their outcomes, for each series and for all."""
    each = accounting(study.table, ["series"])
    total = {"series": "all", **vars(count(study.table))}
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
            shown[name] = shown[name].map(lambda value: csv_text(value) if isinstance(value, str) else value)
    shown.columns = [csv_text(str(name)) for name in shown.columns]
    return bytes(shown.to_csv(index=False, lineterminator="\n", na_rep="").encode("utf-8"))
