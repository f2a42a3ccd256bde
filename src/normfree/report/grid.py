"""A small table of texts for the page and the markdown, and how numbers read in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from normfree.report.escaping import markdown_cell
from normfree.report.style import MARKS
from normfree.study import Cell
from normfree.study.arms import ACCURACY


@dataclass(frozen=True)
class Grid:
    """Columns and rows of texts. `numeric` columns are set flush right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    def markdown(self) -> str:
        """As a markdown table."""
        rule = ["--:" if right else "---" for right in self.numeric]
        lines = [self.columns, rule, *self.rows]
        return "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)

    def grouped(self) -> Grid:
        """The same with repeats of the first column left blank."""
        rows = [("", *row[1:]) if i and row[0] == self.rows[i - 1][0] else row for i, row in enumerate(self.rows)]
        return Grid(self.columns, tuple(rows), self.numeric)


def grid(columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> Grid:
    """A grid from (name, is numeric) pairs, less the columns that are blank in every row."""
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    return Grid(
        tuple(columns[i][0] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in rows),
        tuple(columns[i][1] for i in kept),
    )


def accuracy(cell: Cell) -> str:
    """`97.8 [97.4, 98.2]` (mean and interval within 0 and 100 %) where all seeds trained, else every seed with what
    became of it: `97.4, △10.2, ✕`, the last without a measured accuracy.
    """
    if cell.interval is None:
        return ", ".join(_seed(str(run["status"]), run[ACCURACY]) for _, run in cell.runs.iterrows() if _shown(run))
    low, high = (100 * min(max(bound, 0.0), 1.0) for bound in (cell.interval.low, cell.interval.high))
    interval = f" [{low:.1f}, {high:.1f}]" if cell.interval.n > 1 else ""
    return f"{100 * cell.interval.estimate:.1f}{interval}"


def _shown(run: pd.Series) -> bool:
    return run["status"] in MARKS or (run["status"] == "finished" and not pd.isna(run[ACCURACY]))


def _seed(status: str, share: float) -> str:
    return MARKS.get(status, "") + ("" if pd.isna(share) else f"{100 * share:.1f}")


def some(count: int) -> str:
    """A count, or blank for none."""
    return str(count) if count else ""


def number(value: object, digits: int = 6) -> str:
    """A recorded number in plain digits, blank where there is none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return value if isinstance(value, str) else ""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u2009") if abs(value) >= 10_000 else str(int(value))
    return f"{value:.{digits}g}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
