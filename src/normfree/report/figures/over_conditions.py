"""Accuracy of the same networks under the conditions of `evaluate_also`, one place of the axis each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from normfree.config.errors import UserError
from normfree.report.axes import plain, spread
from normfree.report.figures import Context
from normfree.report.style import PALE
from normfree.study.arms import arm_of
from normfree.study.measures import Measure, measure_of

OPTIONS = ("conditions", "x_label")
HEIGHT = 2.5
CAPTION = (
    "The same networks, tested in other ways. Small dots are seeds; where every seed trained, the large mark is their "
    "mean and the bar its {level} Student t interval, elsewhere there is none. Lines join neighbours that are numbers."
)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ("seed", "mean")


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with marks of every series over the panel's `conditions`.

    Raises:
        UserError: no conditions, one that the runs were not tested under, or a series that is several arms.
    """
    conditions = _conditions(context)
    for number, one in enumerate(context.series):
        look, runs = context.looks[one.name], context.runs(one)
        if runs["arm_id"].nunique() > 1:
            raise UserError(
                f"experiment.panels.{context.panel.name}: a line is one arm, and series '{one.name}' has "
                f"{runs['arm_id'].nunique()}; fix it in `where`"
            )
        if not len(runs):
            continue
        shift = 0.14 * (number - (len(context.series) - 1) / 2)
        line: list[tuple[float, float]] = []
        for place, (label, measure) in enumerate(conditions.items()):
            arm = arm_of(runs, context.study.experiment.level, measure)
            seeds = [measure.shown(value) for value in arm.values("finished")]
            beside = [place + shift + 0.06 + offset for offset in spread(len(seeds), 0.04)]
            axes.plot(beside, seeds, ".", ms=3, mew=0, color=look.dark, alpha=0.7)
            if arm.interval is None:
                line.append((math.nan, math.nan))
                continue
            mean, half = measure.shown(arm.interval.estimate), measure.shown(arm.interval.half_width)
            if arm.interval.n > 1:
                ends = (mean - half, mean + half)
                if measure.share:  # no share of images lies outside
                    ends = (max(ends[0], 0.0), min(ends[1], 100.0))
                axes.plot([place + shift] * 2, ends, color=look.colour, linewidth=1.0, zorder=3)
            apart = [] if _is_number(label) else [(math.nan, math.nan)]
            line += [*apart, (place + shift, mean), *apart]
        if line:
            places, means = zip(*line, strict=True)
            axes.plot(places, means, color=look.colour, linewidth=0.8, alpha=0.6)
            axes.plot(
                places, means, look.marker, color=look.colour, ms=look.size(4.6), mec="white", mew=look.edge, zorder=4
            )
    first = next(iter(conditions.values()))
    axes.set_xticks(range(len(conditions)), list(conditions))
    if not all(map(_is_number, conditions)):
        axes.tick_params(axis="x", length=0)
        for place in range(len(conditions) - 1):
            axes.axvline(place + 0.5, color=PALE, linewidth=0.8, zorder=0)
    axes.set_xlim(-0.5, len(conditions) - 0.5)
    if first.share:
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -1), min(high, 101))
    axes.set_xlabel(str(context.option("x_label", "")))
    axes.set_ylabel("accuracy (%)" if first.share else first.axis)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def _is_number(label: str) -> bool:
    """Whether a condition stands at a place of a scale: others are names, and nothing joins them."""
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _conditions(context: Context) -> dict[str, Measure]:
    given: Any = context.option("conditions")
    place = f"experiment.panels.{context.panel.name}.conditions"
    if not isinstance(given, Mapping) or not given:
        raise UserError(f"{place}={given}: give measures by their names on the axis, such as {{4: also/four/accuracy}}")
    table = context.study.collection.table
    return {str(label): measure_of(name, table, f"{place}.{label}") for label, name in given.items()}
