"""What a sweep ends with: its accuracies in a small table, and how to have the report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from normfree.config.errors import UserError
from normfree.host.spoken import spoken
from normfree.report.axes import text_of, told
from normfree.study import Arm, collect
from normfree.study.arms import arm_of
from normfree.study.chosen import Choice, axes_of
from normfree.study.factor_names import head_of_factor
from normfree.study.select import select
from normfree.study.series_by import combinations
from normfree.study.study import places_of

MOST_ROWS, MOST_COLUMNS, MOST_RUNS = 24, 8, 1000


def show_accuracies(folder: Path, runs: Sequence[str]) -> None:
    """Print the table of these runs and the command of their report; only the latter where there is nothing to show."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 100)
    table = accuracies(folder, runs)
    if table is not None:
        console.print(table)
        console.print(
            "test accuracy (%): mean ± half its 95 % interval, or each seed; ✕ diverged △ untrained ? none yet"
        )
    place = "" if folder.parent == Path("runs") else f" runs_dir={shlex.quote(str(folder.parent))}"
    command = spoken(f"python report.py experiment={shlex.quote(folder.name)}{place}")
    console.print(f"report: {command}", soft_wrap=True, markup=False)


def accuracies(folder: Path, runs: Sequence[str]) -> Table | None:
    """A row a series, a column a value of the factor with most values; none where there are too many, whose results are
    not read for it.
    """
    if len(runs) > MOST_RUNS:
        return None
    try:
        table = collect(folder.name, folder.parent).table
        table = table[table["run_id"].isin(runs)].sort_values(["seed", "run_id"], ignore_index=True)
        if table.empty or "test/accuracy" not in table:
            return None
        axes = axes_of(table, Choice())
        rows = combinations(table, (*axes.series, *axes.panel), "series")
    except UserError:
        # The sweep itself is done; the report will say what is the matter.
        return None
    columns = places_of(table[axes.x])
    if len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS:
        return None
    shown = Table(box=None, pad_edge=False, title_justify="left")
    shown.add_column(escape(head_of_factor(axes.x)) + " →", no_wrap=True)
    for value in columns:
        shown.add_column(escape(text_of(value).replace("\n", " ")), justify="right")
    for one in rows:
        here = select(table, one.where).index
        entries = [_entry(table.iloc[np.intersect1d(places, here)]) for places in columns.values()]
        shown.add_row(escape(one.label), *entries)
    return shown


def _entry(runs: pd.DataFrame) -> str:
    if runs.empty or runs["arm_id"].nunique() > 1:
        return "" if runs.empty else "several arms"
    return accuracy(arm_of(runs))


def accuracy(arm: Arm) -> str:
    """`97.1 ± 0.4`, `97.1` of one seed, or what became of an arm without a mean: `97.1 ✕2/3`."""
    if arm.interval is None:
        seeds = " ".join(f"{100 * value:.1f}" for value in arm.values("finished"))
        return f"{seeds} {told(arm)}".strip()
    half = f" ± {100 * arm.interval.half_width:.1f}" if arm.interval.n > 1 else ""
    return f"{100 * arm.interval.estimate:.1f}{half}"
