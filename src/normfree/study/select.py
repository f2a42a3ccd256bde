"""Choosing runs by their factors: the `where` of a series, a panel or a claim."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from normfree.config.errors import UserError, nearest
from normfree.config.other_words import remedy
from normfree.study.checks import Where
from normfree.study.factor_names import column_of, word_of
from normfree.study.varying import told, varying


def select(table: pd.DataFrame, where: Where, place: str = "where") -> pd.DataFrame:
    """The rows for which every condition holds.

    A condition is a value, a list of values (any of them), a range `{min: 0.4, max: 3.2}` (bounds included),
    or null (no value recorded). `grids` asks whether the run belongs to a grid, and `clip` for the name of the
    clipping, such as `agc`, or its label, such as `AGC 0.01`. Raises `UserError` for an unknown factor.
    """
    keep = np.ones(len(table), dtype=bool)
    for factor, wanted in where.items():
        if factor == "clip":
            keep &= _matching(table["clip.name"], wanted) | _matching(table["clip.label"], wanted)
            continue
        keep &= _matching(table[known_factor(table, factor, place)], wanted)
    return table[keep]


def known_factor(table: pd.DataFrame, word: str, place: str) -> str:
    """The column of a factor, by its name or by its word on the command line.

    Raises:
        UserError: the runs have no such factor; names those in which they differ.
    """
    column = column_of(word)
    if column in table.columns:
        return column
    words = {word_of(str(name)): name for name in table.columns}
    differ = told(varying(table)) if len(table) and "overrides" in table else ""
    # Of another tool, such as learning_rate.
    other = re.match(r"write ([\w.]+)=", remedy(word))
    near = f", did you mean '{other[1]}'?" if other and other[1] in words else nearest(word, [*words, *table.columns])
    raise UserError(
        f"{place}: the runs have no factor '{word}'{near}" + (f"; they differ in: {differ}" if differ else "")
    )


def _matching(column: pd.Series, wanted: Any) -> NDArray[np.bool_]:
    """Which values meet the condition; each value is asked once, however often it stands there."""
    known: dict[tuple[type, Any], bool] = {}
    found = []
    for value in column.tolist():
        key = (type(value), value)
        if key not in known:
            known[key] = matches(value, wanted)
        found.append(known[key])
    return np.array(found, dtype=bool)


def matches(value: Any, wanted: Any) -> bool:
    """Whether one recorded value meets one condition."""
    if isinstance(value, tuple):
        return any(matches(one, wanted) for one in value)
    if isinstance(wanted, list | tuple):
        return any(matches(value, one) for one in wanted)
    blank = value is None or (isinstance(value, float) and math.isnan(value))
    if wanted is None or blank:
        return wanted is None and blank
    if isinstance(wanted, Mapping):
        return isinstance(value, int | float) and _between(float(value), wanted)
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted, rel_tol=1e-6)
    return str(value) == str(wanted)


def _between(value: float, limits: Mapping[str, Any]) -> bool:
    if not limits or set(limits) - {"min", "max"}:
        raise UserError(f"where: a range has the keys min and max, got {', '.join(map(str, limits)) or 'none'}")
    slack = 1e-6 * abs(value)
    low, high = float(limits.get("min", -math.inf)), float(limits.get("max", math.inf))
    return low - slack <= value <= high + slack
