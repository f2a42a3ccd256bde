"""A logged value over the steps: one thin line a run, ended by a cross where the run diverged."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from normfree.config.errors import UserError, nearest
from normfree.report.figures import Context
from normfree.report.log_axis import log_axis
from normfree.study.measures import MEASURES, label_of

OPTIONS = ("y", "y_label", "y_scale")
RECORDS = "curves"
HEIGHT = 2.5
POINTS_OF_A_LINE, POINTS_OF_A_PANEL = 1000, 20_000
"""Drawn at most, so that the size of a page does not hang on how often its runs logged."""
CAPTION = "Each line is one run, as logged; a ✕ ends the line of a run that diverged, at its last finite value."


def marks(context: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series: crosses where there are any."""
    crosses = any("diverged" in context.runs(one)["status"].tolist() for one in context.series)
    return ("line", "diverged") if crosses else ("line",)


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with column `y` of the runs' metrics over the step.

    Raises:
        UserError: `y` is no measure, and no column of the runs either; names those near it.
    """
    y = context.required("y")
    _refuse_unknown(context, y)
    lines = sum(len(context.runs(one)) for one in context.series)
    most = min(POINTS_OF_A_LINE, max(POINTS_OF_A_PANEL // max(lines, 1), 20))
    for one in context.series:
        look, runs = context.looks[one.name], context.runs(one)
        drawn, ends = [], []
        for run_id, status in zip(runs["run_id"], runs["status"], strict=True):
            points = None if status == "damaged" else context.study.curve(str(run_id), y, most)
            if points is None or not len(points):
                continue
            drawn.append(points)
            if status == "diverged":
                ends.append(points[-1])
        if not drawn:
            continue
        lines_of_series = LineCollection(drawn, colors=look.colour, linewidths=0.8, alpha=0.8, zorder=2)
        lines_of_series.set(capstyle="projecting", joinstyle="round")
        axes.add_collection(lines_of_series)
        axes.autoscale_view()
        if ends:
            axes.plot(*np.stack(ends).T, "x", color=look.colour, ms=4.2, mew=1.1, clip_on=False, zorder=5)
    usual = "log" if y in MEASURES and MEASURES[y].log else "linear"
    if context.option("y_scale", usual) == "log":
        log_axis(axes)
    axes.set_xlabel("step")
    axes.set_ylabel(str(context.option("y_label", label_of(y))))
    axes.margins(x=0.02)


def _refuse_unknown(context: Context, y: str) -> None:
    runs = (str(run_id) for one in context.series for run_id in context.runs(one)["run_id"])
    columns = next(filter(None, map(context.study.collection.logged, runs)), [])
    if columns and y not in columns and y not in MEASURES:
        known = [column for column in columns if column not in ("step", "epoch")]
        place = f"experiment.panels.{context.panel.name}.y={y}"
        raise UserError(f"{place}: the runs did not log it{nearest(y, known)}; there are: {', '.join(known)}")
