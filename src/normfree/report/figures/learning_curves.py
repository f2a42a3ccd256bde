"""A logged value over the steps: one thin line a run, ended by a cross where the run diverged."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes

from normfree.report.figures import Context
from normfree.report.log_axis import log_axis
from normfree.study import select
from normfree.study.measures import label_of

OPTIONS = ("y", "y_label", "y_scale")
HEIGHT = 2.5
POINTS_OF_A_LINE, POINTS_OF_A_PANEL = 1000, 20_000
"""Drawn at most, so that the size of a page does not hang on how often its runs logged."""
CAPTION = "Each line is one run, as logged; a ✕ ends the line of a run that diverged, at its last finite value."


def marks(context: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series: crosses where there are any."""
    crosses = any(status == "diverged" for _, runs in _runs(context) for status in runs["status"])
    return ("line", "diverged") if crosses else ("line",)


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with column `y` of the runs' metrics over the step."""
    y = context.required("y")
    lines = sum(len(runs) for _, runs in _runs(context))
    most = min(POINTS_OF_A_LINE, max(POINTS_OF_A_PANEL // max(lines, 1), 20))
    for name, runs in _runs(context):
        look = context.looks[name]
        for run_id, status in zip(runs["run_id"], runs["status"], strict=True):
            points = None if status == "damaged" else context.collection.curve(str(run_id), y, most)
            if points is None or not len(points):
                continue
            axes.plot(points[:, 0], points[:, 1], color=look.colour, linewidth=0.8, alpha=0.8)
            if status == "diverged":
                axes.plot(*points[-1:].T, "x", color=look.colour, ms=4.2, mew=1.1, clip_on=False, zorder=5)
    if context.option("y_scale") == "log":
        log_axis(axes)
    axes.set_xlabel("step")
    axes.set_ylabel(str(context.option("y_label", label_of(y))))
    axes.margins(x=0.02)


def _runs(context: Context) -> Iterator[tuple[str, pd.DataFrame]]:
    """The name of each series and its runs in this panel."""
    table = select(context.collection.table, context.panel.where, f"experiment.panels.{context.panel.name}.where")
    for one in context.series:
        runs = select(table, one.where, f"experiment.series.{one.name}.where")
        yield one.name, runs.sort_values(["seed", "run_id"])
