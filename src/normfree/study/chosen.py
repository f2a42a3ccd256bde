"""A figure of runs that have no experiment file: what goes along the axis, which series there are, and which panels.

The axis is the numeric factor with most values, series are networks with their clippings, panels what is left. All of
it can be chosen by the words of the command line. What comes out is the content of an experiment file.
"""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from normfree.config.errors import UserError
from normfree.study.factor_names import column_of, head_of_factor, label_of_factor, word_of
from normfree.study.measures import ACCURACY, label_of, measure_of
from normfree.study.select import known_factor, select
from normfree.study.series_by import combinations, values_told
from normfree.study.varying import numbers_of, told, varying

MOST_PANELS = 15
_FEW = 6
"""Combinations that are series of one panel."""


@dataclass(frozen=True)
class Choice:
    """What was asked for; empty where nothing was."""

    x: str = ""
    series: tuple[str, ...] = ()
    panel: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    measure: str = ""

    def __bool__(self) -> bool:
        return bool(self.x or self.series or self.panel or self.where or self.measure)

    @property
    def words(self) -> str:
        """As they are typed after ``python report.py experiment=NAME``."""
        told = {"x": self.x, "series": ",".join(self.series), "panel": ",".join(self.panel), "measure": self.measure}
        words = [f"{key}={shlex.quote(value)}" for key, value in told.items() if value]
        if self.where:
            conditions = " ".join(f"{factor}={_listed(wanted)}" for factor, wanted in self.where.items())
            words.append(f"where={shlex.quote(conditions)}" if "'" in conditions else f"where='{conditions}'")
        return " ".join(words)


@dataclass(frozen=True)
class Axes:
    """Columns of the factor along the axis, of the series and of the panels."""

    x: str
    series: tuple[str, ...]
    panel: tuple[str, ...]


def axes_of(runs: pd.DataFrame, choice: Choice) -> Axes:
    """Which factor goes where.

    Raises:
        UserError: a factor that the runs lack, or one for two things.
    """
    factors = ["clip.label" if one == "clip.name" else one for one in varying(runs)]
    x = _axis(runs, factors, choice)
    if _in_clipping(x):
        # A label would tell the axis too.
        factors = ["clip.name" if one == "clip.label" else one for one in factors]
    factors = _telling(runs, factors, {x, *(column_of(one) for one in (*choice.series, *choice.panel))})
    series = [known_factor(runs, one, f"series={','.join(choice.series)}") for one in choice.series]
    panel = [known_factor(runs, one, f"panel={','.join(choice.panel)}") for one in choice.panel]
    for one in (*series, *panel):
        if [x, *series, *panel].count(one) > 1:
            raise UserError(f"{word_of(one)} is asked for twice, as x, series or panel; give it once")
    left = [one for one in _as_one(runs, factors, x) if one not in (x, *series, *panel)]
    if not series:
        series = _series(runs, left, bool(panel))
    panel += [one for one in left if one not in (*series, *panel)]
    return Axes(x, tuple(series or ["model.name", "clip.label"]), tuple(panel))


def chosen(name: str, table: pd.DataFrame, choice: Choice) -> dict[str, Any]:
    """The `experiment:` node of a report of these runs.

    Raises:
        UserError: a factor that the runs lack, one for two things, conditions that no run meets, or too many panels.
    """
    runs = selected(table, choice.where)
    axes = axes_of(runs, choice)
    panels = _panels(runs, axes.x, axes.panel, choice)
    measure = measure_of(choice.measure or ACCURACY.name, runs, "measure")
    main = [key for key in panels if not key.startswith("outcomes")]
    # What the strip beneath one series says, tiles would say again.
    tiled = len(main) == 1 and len(combinations(runs, axes.series, "series")) > 1
    return {
        "name": name,
        "question": _question(runs, axes, measure.label),
        "command": "",
        "series": {"by": [word_of(one) for one in axes.series]},
        "figure": list(panels) if tiled else main,
        "panels": panels,
    }


def _question(runs: pd.DataFrame, axes: Axes, measure: str) -> str:
    if runs[axes.x].nunique(dropna=False) > 1:
        return f"How does the {measure} of these runs depend on the {_short(label_of_factor(axes.x))}?"
    compared = " and ".join(_short(label_of_factor(one)) for one in axes.series)
    return f"How does the {measure} of these runs differ by {compared}?"


def selected(table: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of the runs that meet all conditions.

    Raises:
        UserError: no run meets one of them, or none all together.
    """
    for factor, wanted in where.items():
        if select(table, {factor: wanted}, "where").empty:
            raise UserError(f"where: no run has {factor}={_listed(wanted)}; there are: {values_told(table, factor)}")
    runs = select(table, where, "where")
    if runs.empty:
        asked = " ".join(f"{factor}={_listed(wanted)}" for factor, wanted in where.items())
        raise UserError(f"where: no run has {asked} together; take one of these away")
    return runs


def _listed(wanted: Any) -> str:
    return ",".join("null" if one is None else str(one) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _telling(runs: pd.DataFrame, factors: list[str], asked: set[str]) -> list[str]:
    """The factors less those that others tell, the last first: `optimizer.base_lr` beside learning rate and batch.

    What was asked for stays, and so do networks and clippings.
    """
    kept = list(factors)
    for one in reversed(factors):
        rest = [other for other in kept if other != one]
        if one in asked or one in _NAMED or not rest:
            continue
        if _arms_mixed(runs, rest) == _arms_mixed(runs, kept):
            kept = rest
    return kept


def _in_clipping(x: str) -> bool:
    """Whether an axis is a key of a clipping."""
    return x.startswith("clip.") and x not in _NAMED


_NAMED = ("model.name", "clip.label", "clip.name")


def _arms_mixed(runs: pd.DataFrame, factors: Sequence[str]) -> int:
    """How many combinations of the factors there are; as many as arms where they tell all arms apart."""
    return len(runs[list(factors)].astype(str).drop_duplicates())


def _axis(runs: pd.DataFrame, factors: Sequence[str], choice: Choice) -> str:
    if choice.x:
        return known_factor(runs, choice.x, f"x={choice.x}")
    taken = {column_of(one) for one in (*choice.series, *choice.panel)}
    numeric = {one: len(numbers_of(runs[one])) for one in factors if one not in taken}
    most = max(numeric.values(), default=0)
    if most > 1:
        return next(one for one, count in numeric.items() if count == most)
    names = [one for one in factors if one not in taken and runs[one].nunique() > 1]
    # One name alone is what the series are called by.
    return names[-1] if len(names) > 1 or (names and names[0] not in _NAMED) else "lr"


def _as_one(runs: pd.DataFrame, factors: Sequence[str], x: str) -> list[str]:
    """The factors less those that another tells: keys of a clipping by its label, unless the axis is one of them."""
    of_clip = [one for one in factors if one.startswith("clip.")]
    if _in_clipping(x):
        # A clipping without this key stands apart as 'none'.
        return [one for one in factors if one != "clip.name" or runs["clip.name"].nunique() > 1]
    if not of_clip:
        return list(factors)
    kept = [one for one in factors if one not in of_clip]
    kept.insert(1 if kept[:1] == ["model.name"] else 0, "clip.label")
    for one in of_clip:
        if one != "clip.label" and runs.groupby("clip.label", dropna=False)[one].nunique(dropna=False).max() > 1:
            kept.append(one)
    return kept


def _series(runs: pd.DataFrame, left: Sequence[str], panels_given: bool) -> list[str]:
    """All that is left where that is few, or where the panels are chosen; else networks and clippings."""
    many = len(runs[list(left)].astype(str).drop_duplicates()) if left else 0
    if panels_given or many <= _FEW:
        return list(left)
    named = [one for one in left if one in (*_NAMED, "batch.norm_batch")]
    return named or [max(left, key=lambda one: (runs[one].nunique() <= _FEW, runs[one].nunique()))]


def _panels(runs: pd.DataFrame, x: str, by: Sequence[str], choice: Choice) -> dict[str, Any]:
    where = {str(key): value for key, value in choice.where.items()}
    shared: dict[str, Any] = {"kind": "accuracy_over", "x": word_of(x)}
    shared |= {"measure": choice.measure} if choice.measure else {}
    found = combinations(runs, by, "panel") if by else []
    if len(found) > MOST_PANELS:
        raise UserError(
            f"{told(by)} would make {len(found)} panels, and a figure has at most {MOST_PANELS}; "
            "choose with where= or put one of them into series="
        )
    outcomes: dict[str, Any] = {"kind": "trained_share", "x": word_of(x)}
    panels: dict[str, Any] = {}
    for number, one in enumerate(found, 1):
        conditions = where | {word_of(key): _whole(value) for key, value in one.where.items()}
        panels[f"panel_{number}"] = {**shared, "title": _titled(one.where), "where": conditions}
    for number, one in enumerate(found, 1):
        conditions = panels[f"panel_{number}"]["where"]
        panels[f"outcomes_{number}"] = {**outcomes, "title": f"Trained: {_titled(one.where)}", "where": conditions}
    if not found:
        title = label_of(choice.measure) if choice.measure else f"Accuracy over {_short(label_of_factor(x))}"
        panels["accuracy"] = {**shared, "title": title} | ({"where": where} if where else {})
        panels["outcomes"] = {**outcomes, "title": "Runs that trained"} | ({"where": where} if where else {})
    return panels


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _titled(where: Mapping[str, Any]) -> str:
    return ", ".join(
        str(value) if isinstance(value, str) else f"{head_of_factor(key)} {'none' if value is None else f'{value:g}'}"
        for key, value in where.items()
    )


def _short(label: str) -> str:
    return label.partition(" (")[0]


def read_where(text: str) -> dict[str, Any]:
    """Conditions as typed: `clip=agc lr=0.1,0.4`; several values of one have commas between them.

    Raises:
        ValueError: with the remedy.
    """
    found: dict[str, Any] = {}
    for part in itertools.chain.from_iterable(one.split(";") for one in text.split()):
        if not part:
            continue
        key, equals, values = part.partition("=")
        if not equals or not key or not values:
            raise ValueError("give conditions, such as where='clip=agc lr=0.1,0.4'")
        read = [_value(one) for one in values.split(",")]
        found[key] = read[0] if len(read) == 1 else read
    return found


def _value(text: str) -> Any:
    if text == "null":
        return None
    try:
        return _whole(float(text))
    except ValueError:
        return text
