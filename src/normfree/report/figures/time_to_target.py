"""Epochs, steps or seconds until the validation accuracy of runs first reached a target, over a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter

from normfree.report.axes import Places, Scale, failure_strip, places, plain, spread, x_axis
from normfree.report.figures import Context
from normfree.report.style import MARKS, Look
from normfree.study import Arm, Value
from normfree.study.derived import in_unit, to_target

OPTIONS = ("x", "x_label", "target", "unit")
HEIGHT = 2.5
NOT_REACHED = Path(
    [(0, -1), (0, 1), (-0.55, 0.35), (0, 1), (0.55, 0.35)],
    [Path.MOVETO, Path.LINETO, Path.MOVETO, Path.LINETO, Path.LINETO],
)
"""An arrow up: the run would have needed longer than this."""
CAPTION = (
    "Small dots are seeds: {unit} until the validation accuracy first reached {target} %, seen at the evaluation after "
    "it (trainer.evaluate_every). An arrow is a run that ended without reaching it, at its end: it would have needed "
    "longer. The large mark is the mean where every seed reached the target, the bar its {level} Student t interval; "
    "elsewhere is none. The strip counts runs that did not reach it (↑2/3) or diverged (✕)."
)


def caption(context: Context) -> str:
    """What stands beneath the panel."""
    target = context.option("target")
    shown = f"{100 * target:g}" if isinstance(target, int | float) else "the target"
    return CAPTION.replace("{unit}", str(context.option("unit", "epochs"))).replace("{target}", shown)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ("seed", "mean")


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one line a series over the panel's factor `x`.

    Raises:
        UserError: no `target`, or an unknown `unit`.
    """
    unit = str(context.option("unit", "epochs"))
    name = to_target(dict(context.panel.options), f"experiment.panels.{context.panel.name}")
    panel = replace(
        context.panel, name=f"{context.panel.name}:{name}", options={**context.panel.options, "measure": name}
    )
    measured = replace(context, panel=panel)
    found = measured.along()
    where = places(found.values())
    highest = [0.0]
    for index, (series, arms) in enumerate(found.items()):
        shift = where.dodge(index, len(found))
        highest += _series(axes, arms, where, shift, where.aside(len(found)), unit, context.looks[series])
    x_axis(axes, where, context)
    limits = (0.0, 1.08 * max(highest) or 1.0)
    failure_strip(axes, found, where, measured, Scale(), limits, tell=lambda arm: _told(arm, unit))
    axes.set_ylabel(measured.measure.axis)
    ends = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if limits[0] <= tick <= limits[1]])
    axes.set_ylim(*ends)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def censored(arm: Arm, unit: str) -> list[float]:
    """Where the runs ended that took all their steps and did not reach the target."""
    runs = arm.runs[arm.runs["status"].isin(("finished", "untrained")) & arm.runs[arm.measure.name].isna()]
    return [float(value) for value in in_unit(runs["steps_done"], runs, unit).dropna()]


def _series(
    axes: Axes, arms: Mapping[Value, Arm], where: Places, shift: float, aside: float, unit: str, look: Look
) -> list[float]:
    """One series; the values that the axis has to show."""
    shown: list[float] = []
    line: list[tuple[float, float]] = []
    for value, arm in arms.items():
        x = where.position(value) + shift
        seeds, open_ended = arm.values("finished"), censored(arm, unit)
        beside, width = x + aside * bool(arm.interval), min(0.12, 0.8 * aside)
        axes.plot(_at(beside, seeds, width), seeds, ".", ms=3.2, mew=0, color=look.colour, alpha=0.7, zorder=4)
        axes.plot(
            _at(x, open_ended, 0.12), open_ended, linestyle="", marker=NOT_REACHED, ms=5, mew=0.7, mfc="none",
            color=look.colour, zorder=4,
        )  # fmt: skip
        shown += [*seeds, *open_ended]
        if arm.interval is None:
            line.append((math.nan, math.nan))
            continue
        line.append((x, arm.interval.estimate) if isinstance(value, float) else (math.nan, math.nan))
        axes.plot(
            [x], [arm.interval.estimate], look.marker, color=look.colour, ms=look.size(4.2), mec="white",
            mew=look.edge, zorder=3.5,
        )  # fmt: skip
        if arm.interval.n > 1:
            low, high = max(arm.interval.low, 0.0), arm.interval.high
            axes.plot([x, x], [low, high], color=look.colour, linewidth=0.9, marker="_", ms=2.8, mew=0.9, zorder=3)
            shown.append(min(high, 1.5 * max(seeds)))
    if line:
        axes.plot(*zip(*line, strict=True), "-", color=look.colour, zorder=2.5)
    return shown


def _at(x: float, values: list[float], width: float) -> list[float]:
    return [x + offset for offset in spread(len(values), width)]


def _told(arm: Arm, unit: str) -> str:
    """`↑1✕1/3`, or an empty string where every seed reached the target."""
    late = len(censored(arm, unit))
    diverged, unknown = arm.counts.diverged, arm.counts.open
    parts = [f"{mark}{n}" for mark, n in (("↑", late), (MARKS["diverged"], diverged), ("?", unknown)) if n]
    return f"{''.join(parts)}/{arm.counts.planned}" if parts else ""
