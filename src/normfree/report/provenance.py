"""On what code, software and machines the runs of a report were made."""

from __future__ import annotations

import re

import pandas as pd

from normfree.report.grid import Grid, grid
from normfree.study import Collection

_COLUMNS = ("commit", "dirty", "normfree", "torch", "lightning", "python", "platform", "device", "threads")
_DIGITS = 7
"""Of a commit; some were recorded with no more."""


def provenance_grid(collection: Collection) -> Grid:
    """One row for each distinct combination of code, software and hardware, with the number of its runs."""
    columns = [f"provenance.{name}" for name in _COLUMNS]
    recorded = collection.table.dropna(subset=["provenance.torch"])[columns].astype(object)
    texts = recorded.map(lambda value: "" if value is None or value != value else str(value))
    texts["provenance.commit"] = texts["provenance.commit"].map(_code)
    texts["provenance.dirty"] = texts["provenance.dirty"].map({"True": "changed", "False": "clean"}).fillna("")
    found = texts.groupby(columns, sort=True).size().reset_index(name="runs")
    rows = [[str(part) for part in row] for row in found.itertuples(index=False)]
    heads = ["commit", "working tree", *_COLUMNS[2:], "runs"]
    return grid([(name, name in ("threads", "runs")) for name in heads], rows)


def _code(commit: str) -> str:
    """A commit in short, or what else the code was."""
    if re.fullmatch(r"v\d.*", commit):
        return f"version {commit[1:]}, installed, no repository"
    return commit[:_DIGITS] if re.fullmatch("[0-9a-f]{7,40}", commit) else commit


def changed_runs(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the runs whose code was not that of their commit."""
    return table[table["provenance.dirty"].isin([True])]
