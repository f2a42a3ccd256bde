"""An ablation as a ladder: each row adds one thing to the row above, and what that changes stands beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from normfree.config.errors import UserError, nearest
from normfree.report.axes import plain, spread, told
from normfree.report.figures import Context
from normfree.report.figures.difference_over import paired
from normfree.report.style import GREY, INK, PALE
from normfree.study import Arm
from normfree.study.statistics import difference_interval

OPTIONS = ("measure", "published")
HEIGHT, _ROW = 2.6, 0.2
"""Inches: of a ladder, and what a row takes at least."""
WIDE = True
CAPTION = (
    "A row is an arm, in the order of the ablation. Small dots are seeds ({measure}); where every seed trained, the "
    "large mark is their mean and the bar its {level} Student t interval, elsewhere the failures are counted (✕ "
    "diverged, △ untrained). Δ is the mean difference of paired seeds to the row above, with its {level} "
    "interval{published}."
)


def caption(context: Context) -> str:
    """What stands beneath the panel."""
    columns = [name.replace("{", "{{").replace("}", "}}") for name in _columns(context)]
    return CAPTION.replace("{published}", f"; published: {', '.join(columns)}" if columns else "")


def height(context: Context) -> float:
    """Inches: more than `HEIGHT` where there are many rows."""
    return max(HEIGHT, 0.9 + _ROW * sum(len(context.runs(one)) > 0 for one in context.series))


BESIDE = ("mean",)
"""What a legend explains where another panel asks for one."""


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain: nothing, as each row bears its name."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with a row a series, and columns of numbers at their right.

    Raises:
        UserError: a series that is several arms, or a published number of none.
    """
    measure, published = context.measure, _columns(context)
    rows = [(one, arm) for one in context.series if (arm := context.study.rung(context.panel, one)) is not None]
    means, steps = ["mean"], ["Δ to row above"]
    before: Arm | None = None
    for row, (one, arm) in enumerate(rows):
        look = context.looks[one.name]
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color=PALE, zorder=0, linewidth=0)
        seeds = [measure.shown(value) for value in arm.values("finished")]
        heights = [row + 0.32 + offset for offset in spread(len(seeds), 0.1)]
        axes.plot(seeds, heights, ".", ms=3, mew=0, color=GREY)
        if arm.interval is None:
            means.append(told(arm) or "no mean")
        else:
            mean, half = measure.shown(arm.interval.estimate), measure.shown(arm.interval.half_width)
            if arm.interval.n > 1:
                ends = (mean - half, mean + half)
                if measure.share:  # no share of images lies outside
                    ends = (max(ends[0], 0.0), min(ends[1], 100.0))
                axes.plot(ends, [row + 0.12] * 2, color=look.colour, linewidth=1.0, zorder=3)
            axes.plot(
                [mean], [row + 0.12], look.marker, color=look.colour, ms=look.size(4.6), mec="white", mew=look.edge,
                zorder=4,
            )  # fmt: skip
            means.append(f"{mean:.1f}" if measure.share else f"{mean:.3g}")
        steps.append(_step(arm, before, context) if row else "")
        axes.text(0.015, row - 0.24, look.label, transform=axes.get_yaxis_transform(), va="center", fontsize=6.3)
        before = arm
    others = [
        [textwrap.fill(str(head), 9), *(str(values.get(one.name, "")) for one, _ in rows)]
        for head, values in published.items()
    ]
    axes.set_ylim(len(rows) - 0.5, -1.4 if others else -1.15)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _write_beside(axes, [means, steps, *others])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axes.set_xlabel(measure.axis, loc="left")


def _write_beside(axes: Axes, columns: Sequence[Sequence[str]]) -> None:
    """Columns of numbers under their heads at the right, published ones from the third, and the plot in what room they
    leave.
    """
    low, high = axes.get_xlim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    whole = _POINTS * figure.get_size_inches()[0]
    widths = [_GAP + _LETTER * max(len(line) for text in column for line in text.split("\n")) for column in columns]
    share = max(1 - (_GAP + sum(widths)) / whole, _LEAST)
    axes.set_xticks([tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high])
    axes.set_xlim(low, low + (high - low) / share)
    axes.spines["bottom"].set_bounds(low, high)
    place = _GAP
    for number, (column, width) in enumerate(zip(columns, widths, strict=True)):
        if number == 2:
            _write(axes, "published", (high, -1.15), place, GREY)
        for row, text in enumerate(column):
            _write(axes, text, (high, row - 1 if row else -0.8), place, INK if row else GREY)
        place += width


def _write(axes: Axes, text: str, where: tuple[float, float], right: float, colour: str) -> None:
    axes.annotate(
        text, where, xytext=(right, 0), textcoords="offset points", va="center", fontsize=_FONT, color=colour,
        annotation_clip=False, in_layout=False,
    )  # fmt: skip


_FONT, _LETTER, _GAP = 6.2, 3.5, 7.0
"""Points: the size of the letters, about what one takes, and what sets columns of numbers apart."""
_POINTS = 70
"""That an inch of the figure's width gives to the axes."""
_LEAST = 0.25
"""Share of the width that the plot keeps."""


def _step(arm: Arm, before: Arm | None, context: Context) -> str:
    """`+1.2 [0.4, 2.0]`, or why there is none."""
    differences = paired(arm, before)
    if not differences:
        return "none"
    interval, _ = difference_interval(differences, context.study.experiment.level)
    shown = context.measure.shown
    form = "+.1f" if context.measure.share else "+.3g"
    limits = f" [{shown(interval.low):{form}}, {shown(interval.high):{form}}]" if interval.n > 1 else ""
    return f"{shown(interval.estimate):{form}}{limits}"


def _columns(context: Context) -> Mapping[str, Mapping[str, Any]]:
    """Published columns: a name, and under it a number a series.

    Raises:
        UserError: something else.
    """
    found = context.option("published") or {}
    place = f"experiment.panels.{context.panel.name}.published"
    known = {one.name: one for one in context.study.series}
    if not isinstance(found, Mapping) or not all(isinstance(column, Mapping) for column in found.values()):
        raise UserError(f"{place}: give columns of numbers by series, such as {{NFNet-F0: {{bn: 83.6}}}}")
    for column in found.values():
        for name in column:
            if known and name not in known:
                raise UserError(f"{place}: '{name}' is no series{nearest(str(name), known)}")
    return found
