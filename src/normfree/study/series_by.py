"""Series that a file does not list: one for each combination of some factors that the runs have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from normfree.config.errors import UserError, nearest
from normfree.study.experiment import Experiment, Series
from normfree.study.factor_names import head_of_factor
from normfree.study.select import known_factor, select
from normfree.study.varying import natural

MOST = 24
NETWORK = "model.name"


def with_series(experiment: Experiment, table: pd.DataFrame) -> Experiment:
    """The experiment with the series of ``series: {by: [...]}`` listed.

    Raises:
        UserError: a factor that the runs lack, more series than can be told apart, or a panel of a series that is none.
    """
    if not experiment.series_by:
        return experiment
    found = _with_networks(combinations(table, experiment.series_by, "experiment.series.by"), table)
    if len(found) > MOST:
        by = ", ".join(experiment.series_by)
        raise UserError(f"experiment.series.by=[{by}]: {len(found)} series, and at most {MOST} can be told apart")
    names = [one.name for one in found]
    for panel in experiment.panels:
        for name in panel.series:
            if name not in names:
                raise UserError(
                    f"experiment.panels.{panel.name}.series: '{name}' is no series{nearest(name, names)}; "
                    f"there are: {', '.join(names)}"
                )
    return replace(experiment, series=tuple(found), series_by=())


def combinations(table: pd.DataFrame, by: Sequence[str], place: str) -> list[Series]:
    """One series for each combination of values, named by them: `nf_resnet20/AGC 0.01`."""
    columns = [known_factor(table, word, place) for word in by]
    rows = {tuple(_plain(value) for value in row) for row in table[columns].astype(object).itertuples(index=False)}
    ordered = sorted(rows, key=lambda row: [natural("none" if value is None else str(value)) for value in row])
    return [
        Series(
            "/".join(_named(value) for value in row),
            ", ".join(_told(column, value) for column, value in zip(columns, row, strict=True)),
            dict(zip(columns, row, strict=True)),
        )
        for row in ordered
    ]


def _with_networks(found: list[Series], table: pd.DataFrame) -> list[Series]:
    """Series that differ in their networks too are called by them, and stand in the order of these."""
    if table[NETWORK].nunique() < 2 or any(NETWORK in one.where for one in found):
        return found
    networks = [select(table, one.where)[NETWORK].dropna().unique() for one in found]
    if any(len(each) != 1 for each in networks) or len({each[0] for each in networks}) < 2:
        return found
    named = zip((str(each[0]) for each in networks), found, strict=True)
    ordered = sorted(named, key=lambda pair: natural(pair[0]))
    return [replace(one, label=f"{network}, {one.label}") for network, one in ordered]


def _named(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def unmatched(experiment: Experiment, table: pd.DataFrame) -> list[str]:
    """What of the file selects no run, one line each."""
    said = []
    for one in experiment.series:
        if select(table, one.where, f"experiment.series.{one.name}.where").empty:
            said.append(f"Series {one.name} selects none of the {len(table)} runs: {_asked(table, one.where)}.")
    for panel in experiment.panels:
        if panel.where and select(table, panel.where, f"experiment.panels.{panel.name}.where").empty:
            said.append(f"Panel {panel.name} selects none of the {len(table)} runs: {_asked(table, panel.where)}.")
    return said


def _asked(table: pd.DataFrame, where: Any) -> str:
    """The condition that no run meets, with the values that there are; or all, where each is met by some run."""
    for factor, wanted in where.items():
        if select(table, {factor: wanted}).empty:
            return f"{factor}={wanted}; there are: {values_told(table, factor)}"
    return f"{', '.join(f'{factor}={wanted}' for factor, wanted in where.items())} do not occur together"


def values_told(table: pd.DataFrame, factor: str) -> str:
    """The values of a factor, in one line."""
    if factor == "grids":
        found = {name for names in table["grids"] for name in names}
    else:
        columns = ("clip.name", "clip.label") if factor == "clip" else (known_factor(table, factor, "where"),)
        values = {_plain(value) for column in columns for value in table[column].tolist()}
        found = {"null" if one is None else f"{one:g}" if isinstance(one, float) else str(one) for one in values}
    named = sorted(found, key=natural)
    return ", ".join(named[:12]) + (f" and {len(named) - 12} more" if len(named) > 12 else "")


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _told(column: str, value: Any) -> str:
    if isinstance(value, str):
        return "no clipping" if column.startswith("clip.") and value == "none" else value
    head = head_of_factor(column)
    return f"{head} {value:g}" if isinstance(value, float) else f"no {head}" if value is None else f"{head} {value}"
