"""A small table of texts for the page and the markdown, and how numbers read in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from normfree.report.escaping import markdown_cell
from normfree.report.style import MARKS
from normfree.study import Arm, Measure


@dataclass(frozen=True)
class Grid:
    """Columns and rows of texts. `numeric` columns are set flush right; on the page, the cells of the column `linked`
    lead to the places `links`, one a row.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    links: tuple[str, ...] = ()
    linked: str = ""

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


def measured(arm: Arm) -> str:
    """`97.8 [97.4, 98.2]` (mean and interval, of a share within 0 and 100 %) where all seeds trained, else every seed
    with what became of it: `97.4, △10.2, ✕`: one that diverged has no value that means anything.
    """
    measure = arm.measure
    if arm.interval is None:
        pairs = zip(arm.runs["status"], arm.runs[measure.name], strict=True)
        return ", ".join(
            MARKS.get(status, "") + ("" if status == "diverged" else _value(value, measure))
            for status, value in pairs
            if status in MARKS or (status == "finished" and not pd.isna(value))
        )
    bounds = [arm.interval.low, arm.interval.high]
    low, high = (min(max(bound, 0.0), 1.0) if measure.share else bound for bound in bounds)
    interval = f" [{_value(low, measure)}, {_value(high, measure)}]" if arm.interval.n > 1 else ""
    return f"{_value(arm.interval.estimate, measure)}{interval}"


def _value(value: float, measure: Measure) -> str:
    if pd.isna(value):
        return ""
    return f"{100 * value:.1f}" if measure.share else f"{value:.4g}"


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
