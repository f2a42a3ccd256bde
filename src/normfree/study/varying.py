"""The factors that differ between the runs of a table: the axes of a sweep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pandas as pd

from normfree.study.factor_names import column_of, word_of
from normfree.study.factors import override_factors

RECORDED = (
    "model.name", "clip.label", "batch.global", "batch.norm_batch", "lr", "data.name", "augment.name", "precision",
    "steps",
)  # fmt: skip
"""Asked of runs of which nobody typed anything that differs."""
_NO_FACTORS = ("seed", "experiment", "runs_dir")
_TARGET = "model._target_"
_GROUPS = ("model", "clip", "data", "augment", "optimizer", "trainer", "batch", "lr", "precision", "steps")
_DERIVED = ("model.parameters", "model.macs", "data.digest", "data.label", "optimizer.base_lr")
"""What follows from other factors."""
_WORD = re.compile(r"(?:^| )([+~]*[\w./@-]+=)")


def typed(overrides: str) -> dict[str, Any]:
    """The factors of a run as typed, by their columns; `clip` is its name beside its keys."""
    starts = [found.start(1) for found in _WORD.finditer(overrides)]
    parts = [overrides[start:end].strip() for start, end in pairwise([*starts, len(overrides)])]
    found = override_factors(parts)
    return {column_of(key): value for key, value in found.items() if key not in _NO_FACTORS}


def varying(table: pd.DataFrame) -> list[str]:
    """Columns of the factors that the runs differ in, as typed, else as recorded; the most telling first.

    The keys of a clipping (`clip.eps`) stand beside its name where they were typed.
    """
    of_runs = [typed(str(one)) for one in table["overrides"].dropna().unique()]
    keys = dict.fromkeys(key for one in of_runs for key in one)
    differing = [key for key in keys if len({str(one.get(key)) for one in of_runs}) > 1]
    found = [key for key in differing if key in table.columns and _values(table[key]) > 1]
    if not found:
        found = [name for name in RECORDED if name in table.columns and _values(table[name]) > 1]
    found = _apart(table, _by_name(table, found))
    order = {name: place for place, name in enumerate(("model.name", "clip.name", "clip.label", "lr", "batch.global"))}
    return sorted(found, key=lambda name: (order.get(name, len(order)), name))


def _by_name(table: pd.DataFrame, found: list[str]) -> list[str]:
    """A network of one's own by its name, where that tells what its target tells."""
    if _TARGET not in found or _combinations(table, ["model.name"]) < _combinations(table, ["model.name", _TARGET]):
        return found
    return list(dict.fromkeys("model.name" if one == _TARGET else one for one in found))


def _apart(table: pd.DataFrame, found: list[str]) -> list[str]:
    """With what else differs where arms that were typed as options (`model=small,large`) are not told apart yet."""
    arms = _combinations(table, ["arm_id"]) if "arm_id" in table else 0
    others = [
        name
        for name in table.columns
        if name.split(".")[0] in _GROUPS and name not in (*found, *_DERIVED) and _values(table[name]) > 1
    ]
    while others and (known := _combinations(table, found)) < arms:
        best = max(others, key=lambda name: _combinations(table, [*found, name]))
        if _combinations(table, [*found, best]) == known:
            break
        found = [*found, best]
        others.remove(best)
    return found


def _combinations(table: pd.DataFrame, names: list[str]) -> int:
    return len(table[names].astype(str).drop_duplicates()) if names else 1


def numbers_of(column: pd.Series) -> list[float]:
    """Its values in order where all that are given are numbers; none where one is not."""
    given = column.dropna()
    given = given[given.astype(str) != ""]
    if given.map(lambda value: isinstance(value, bool)).any():
        return []
    numbers = pd.to_numeric(given, errors="coerce")
    return [] if numbers.isna().any() else sorted(float(value) for value in numbers.unique())


def natural(text: str) -> list[tuple[int, float, str]]:
    """Orders texts by the numbers in them: `none`, then `AGC 0.01`, then `AGC 0.1`."""
    if text == "none":
        return []
    parts = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", text)
    return [(1, float(part), "") if place % 2 else (0, 0.0, part) for place, part in enumerate(parts)]


def told(columns: Iterable[str]) -> str:
    """The words of the command line for columns."""
    return ", ".join(dict.fromkeys(word_of(one) for one in columns))


def _values(column: pd.Series) -> int:
    return len({str(value) for value in column.where(column.notna(), None)})
