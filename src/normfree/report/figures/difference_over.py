"""How far series are from one of them over a factor: differences of paired seeds, which share what luck they share."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from normfree.config.errors import UserError, nearest
from normfree.report.axes import Scale, failure_strip, floor_line, places, plain, spread, x_axis
from normfree.report.figures import Context
from normfree.report.figures.accuracy_over import chosen
from normfree.report.style import MARKS
from normfree.study import Arm
from normfree.study.statistics import Interval, difference_interval

OPTIONS = ("x", "x_label", "baseline", "measure", "best_of")
HEIGHT = 2.5
CAPTION = (
    "Small dots are seeds: {measure} less that of {baseline} with the same seed. Where every seed of both "
    "trained, the large mark is the mean difference and the bar its {level} Student t interval (of five and more that "
    "are plainly not normal, the bootstrap's); elsewhere is none, and the strip beneath counts what failed (✕ "
    "diverged, △ untrained, ? no outcome yet, of those planned)."
)


def caption(context: Context) -> str:
    """What stands beneath the panel, with fields for the level and the measure."""
    look = context.looks.get(str(context.option("baseline")))
    label = "the baseline" if look is None else look.label.replace("{", "{{").replace("}", "}}")
    return CAPTION.replace("{baseline}", label) + chosen(context)


def marks(context: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    seen = [arm.counts for arms in context.along().values() for arm in arms.values()]
    return ("seed", "mean", *(name for name in MARKS if any(getattr(one, name) for one in seen)))


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one line a series beside the baseline, which is the dashed line at 0.

    Raises:
        UserError: `baseline` is missing, or no series of the panel.
    """
    baseline, found = _baseline(context), context.along()
    where = places(found.values())
    compared = [name for name in found if name != baseline]
    shown: list[float] = [0.0]
    points: list[tuple[float, float]] = []
    for index, name in enumerate(compared):
        look, shift = context.looks[name], where.dodge(index, len(compared))
        line: list[tuple[float, float]] = []
        for value, arm in found[name].items():
            differences = paired(arm, found[baseline].get(value))
            if not differences:
                line.append((math.nan, math.nan))
                continue
            x = where.position(value) + shift
            interval, _ = difference_interval(differences, context.study.experiment.level)
            aside = where.aside(len(compared))
            dots = [x + aside + offset for offset in spread(len(differences), min(0.06, 0.8 * aside))]
            seeds = [context.measure.shown(one) for one in differences]
            if len(seeds) > 1:
                axes.plot(dots, seeds, ".", ms=3.2, mew=0, color=look.colour, alpha=0.7, zorder=4)
            line.append((x, context.measure.shown(interval.estimate)))
            points += [line[-1], *zip(dots, seeds, strict=True)]
            if not isinstance(value, float):  # nothing joins names
                line.append((math.nan, math.nan))
            shown += [*seeds, *_bar(axes, x, interval, context, look.colour)]
        if line:
            axes.plot(
                *zip(*line, strict=True), look.marker, linestyle="-", color=look.colour, ms=look.size(4.2), mec="white",
                mew=look.edge, zorder=3,
            )  # fmt: skip
    room = 0.08 * max(max(shown) - min(shown), 1e-9)
    limits = (min(shown) - room, max(shown) + room)
    x_axis(axes, where, context, apart=len(compared) > 2)
    failure_strip(axes, found, where, context, Scale(), limits)
    floor_line(axes, 0.0, context.looks[baseline].label, [x for x, y in points if abs(y) < 2 * room])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{'+' if value > 0 else ''}{plain(value)}"))
    ends = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if limits[0] <= tick <= limits[1]])
    axes.set_ylim(*ends)
    axes.set_ylabel(f"{context.measure.label}, difference ({_unit(context)})")


def paired(arm: Arm, beside: Arm | None) -> list[float]:
    """Differences by seed, in order; none unless every seed of both trained, was measured and has its partner."""
    if beside is None or arm.interval is None or beside.interval is None:
        return []
    name = arm.measure.name
    ours, theirs = (dict(zip(one.runs["seed"], one.runs[name], strict=True)) for one in (arm, beside))
    return [float(ours[seed] - theirs[seed]) for seed in sorted(ours)] if set(ours) == set(theirs) else []


def _bar(axes: Axes, x: float, interval: Interval, context: Context, colour: str) -> tuple[float, ...]:
    """The interval of a mean; what the axis has to show of it."""
    if interval.n < 2:
        return ()
    low, high = (context.measure.shown(one) for one in (interval.low, interval.high))
    axes.plot([x, x], [low, high], color=colour, linewidth=0.9, marker="_", ms=2.8, mew=0.9, zorder=3)
    return low, high


def _baseline(context: Context) -> str:
    name = context.required("baseline")
    known: Mapping[str, object] = {one.name: one for one in context.series}
    if name not in known:
        place = f"experiment.panels.{context.panel.name}.baseline"
        raise UserError(f"{place}={name}: is no series of this panel{nearest(name, known)}")
    return name


def _unit(context: Context) -> str:
    return "points" if context.measure.share else context.measure.unit or "its own unit"
