"""Test accuracy, or another measure, over a factor: seeds as dots, means with intervals where all seeds trained,
failures as marks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.ticker import FuncFormatter

from normfree.report.axes import (
    Places,
    Scale,
    chance,
    failure_strip,
    floor_line,
    places,
    plain,
    spread,
    text_of,
    x_axis,
)
from normfree.report.figures import Context
from normfree.report.style import MARKS, SHAPES, Look
from normfree.study import Arm, Measure, Value
from normfree.study.factor_names import column_of, label_of_factor

OPTIONS = ("x", "x_label", "measure", "best_of")
HEIGHT = 2.5
_MEANS = (
    "Small dots are seeds ({measure}). Where every seed of an arm trained, the large mark is their mean and the "
    "bar its {level} Student t interval, with an arrow where the axis cuts it; lines join neighbouring means. Where "
    "any seed did not train there is no mean: "
)
CAPTION = _MEANS + (
    "untrained runs are open triangles at their own accuracy (by an exact test against guessing, in which fewer than "
    "1,000 test images stand together with the validation images; the dashed line is the share of the largest class "
    "among these), diverged runs have none that means anything and are "
    "not drawn, and the strip beneath counts both (✕2△1/5: two diverged and one untrained of five planned; ?: no "
    "outcome yet). Panels with failures have a logit axis, which keeps 10, 50, 97 and 98 % apart; the others are "
    "linear."
)
OF_OTHERS = _MEANS + (
    "untrained runs are open triangles at their own value, diverged runs are not drawn, and the strip beneath counts "
    "both (✕2△1/5: two diverged and one untrained of five planned; ?: no outcome yet)."
)
"""The caption where what is measured is no accuracy."""
_ALONE = " A large mark without a bar is the only seed of its arm."
_MANY = "Where values are too many for its counts, the strip marks where runs failed or have no outcome."
_TICKS = (0.1, 1, 2, 5, 10, 20, 50, 80, 90, 95, 98, 99, 99.5, 99.9)
_MIDDLE = (30, 40, 60, 70)  # where nothing above is shown
_REACH = 2.0
"""Spans of the runs that are drawn: the whole interval of three seeds reaches no further beyond them."""


def caption(context: Context) -> str:
    """What stands beneath the panel, with fields for the level and the measure."""
    said = (CAPTION if context.measure.of_chance else OF_OTHERS) + chosen(context)
    if _alone(context):
        said += _ALONE
    return f"{said} {_MANY}" if places(context.along().values()).many else said


def chosen(context: Context) -> str:
    """What the caption says of a panel that chooses arms, with their values; empty for one that does not."""
    factor = context.option("best_of", None)
    if factor is None:
        return ""
    name, column = label_of_factor(str(factor)), column_of(str(factor))
    values = [
        f"{context.looks[series].label} {', '.join(text_of(arm.first(column)) for arm in arms.values())}"
        for series, arms in context.along().items()
        if arms
    ]
    told = "; ".join(values).replace("{", "{{").replace("}", "}}")
    return f" Each mark is of the {name} that most seeds trained at and validation found best (left to right: {told})."


def _alone(context: Context) -> list[Arm]:
    """Arms whose mean is one seed."""
    every = [arm for arms in context.along().values() for arm in arms.values()]
    return [arm for arm in every if arm.interval is not None and arm.interval.n == 1]


def marks(context: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series: failures where there are any."""
    seen = [arm.counts for arms in context.along().values() for arm in arms.values()]
    failures = [name for name in MARKS if any(getattr(one, name) for one in seen)]
    of_chance, alone = context.measure.of_chance, _alone(context)
    every = [arm for arms in context.along().values() for arm in arms.values()]
    several = len(alone) < sum(arm.interval is not None for arm in every) or not alone
    told = (*(("seed", "mean") if several else ()), *(("alone",) if alone else ()))
    return (*told, *failures, *(["chance"] if failures and of_chance else []))


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one line a series over the panel's factor `x`."""
    found = context.along()
    where = places(found.values())
    measure = context.measure
    floor = measure.shown(chance(context) or 0.0) if measure.of_chance else 0.0
    every = [arm for arms in found.values() for arm in arms.values()]
    failed = any(arm.counts.diverged or arm.counts.untrained for arm in every)
    scale = Scale(logit=failed and measure.of_chance, log=measure.log)
    axes.set_yscale("function", functions=(scale.forward, scale.inverse))
    limits = _limits(every, floor, scale, measure)
    beside = {value: [name for name, arms in found.items() if value in arms] for value in where.values}
    most = max(map(len, beside.values()), default=0)
    for name, arms in found.items():
        shifts = {value: where.dodge(beside[value].index(name), len(beside[value])) for value in arms}
        _series(axes, arms, context.looks[name], where, shifts, where.aside(most), limits)
    x_axis(axes, where, context, apart=most > 2)
    axes.set_ylabel(f"{measure.axis}, logit scale" if scale.logit else measure.axis)
    failure_strip(axes, found, where, context, scale, limits)
    if scale.logit:
        ticks = _TICKS if limits[1] > 80 else (*_TICKS, *_MIDDLE)
        axes.set_yticks(sorted(tick for tick in ticks if limits[0] <= tick <= limits[1]))
        if floor:
            floor_line(axes, floor)
    if scale.log:
        axes.set_yticks(_powers(limits))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def _powers(limits: tuple[float, float]) -> list[float]:
    """Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them where there are few."""
    first, last = (math.floor(math.log10(one)) for one in limits)
    factors = (1, 2, 5) if last - first < 3 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    return [tick for tick in ticks if limits[0] <= tick <= limits[1]]


def _series(
    axes: Axes,
    arms: Mapping[Value, Arm],
    look: Look,
    where: Places,
    shifts: Mapping[Value, float],
    aside: float,
    limits: tuple[float, float],
) -> None:
    """One series: dots `aside` of the means, means with bars, marks of failures, lines between neighbours."""
    seeds, untrained, means = _Points(), _Points(), _Points()
    bars, ends, cut_below, cut_above = _Points(), _Points(), _Points(), _Points()
    lines: list[_Points] = [_Points()]
    for value, arm in arms.items():
        x = where.position(value) + shifts[value]
        if arm.interval is None or arm.interval.n > 1:
            seeds.side_by_side(x + aside * bool(arm.interval), _shown(arm, "finished"), min(0.06, 0.8 * aside))
        untrained.side_by_side(x, _shown(arm, "untrained"))
        if arm.interval is None or not isinstance(value, float):
            lines.append(_Points())
        if arm.interval is None:
            continue
        mean, half = (arm.measure.shown(one) for one in (arm.interval.estimate, arm.interval.half_width))
        if arm.interval.n > 1:
            low, high = max(mean - half, limits[0]), min(mean + half, limits[1])
            bars.add([x, x, x], [low, high, math.nan])
            (ends if low == mean - half else cut_below).add([x], [low])
            (ends if high == mean + half else cut_above).add([x], [high])
        means.add([x], [mean])
        if value is None and not where.categories:
            axes.axhline(mean, color=look.colour, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
        elif isinstance(value, float):
            lines[-1].add([x], [mean])
    _dots(axes, seeds, ".", look, 3.2)
    _dots(axes, untrained, SHAPES["untrained"], look, 3.6)
    bars.draw(axes, color=look.colour, linewidth=0.9, solid_capstyle="butt", zorder=3)
    ends.draw(axes, "_", color=look.colour, ms=2.8, mew=0.9, zorder=3)
    for cut, marker in ((cut_below, CARETDOWN), (cut_above, CARETUP)):
        cut.draw(axes, linestyle="", marker=marker, color=look.colour, ms=5, mew=0, clip_on=False, zorder=3)
    size = look.size(4.2)
    means.draw(axes, look.marker, color=look.colour, ms=size, mec="white", mew=look.edge, zorder=3.5)
    for line in lines:
        if len(line.x) > 1:
            line.draw(axes, color=look.colour, zorder=2.5, alpha=0.9)


@dataclass
class _Points:
    """Places of marks of one kind, which are drawn at once."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)

    def add(self, x: Sequence[float], y: Sequence[float]) -> None:
        self.x.extend(x)
        self.y.extend(y)

    def side_by_side(self, x: float, values: Sequence[float], width: float = 0.06) -> None:
        self.add([x + offset for offset in spread(len(values), width)], values)

    def draw(self, axes: Axes, *look: Any, **looks: Any) -> None:
        """Nothing where there are none: an empty line that is not clipped would take part in the layout."""
        if self.x:
            axes.plot(self.x, self.y, *look, **looks)


def _shown(arm: Arm, *outcomes: str) -> list[float]:
    return [arm.measure.shown(value) for value in arm.values(*outcomes)]


def _dots(axes: Axes, points: _Points, marker: str, look: Look, size: float) -> None:
    filled, width = marker == ".", 0.8
    points.draw(
        axes, marker,
        ms=size, mec=look.colour, mew=0 if filled else width, mfc=look.colour if filled else "white",
        alpha=0.7 if filled else 1.0, zorder=4,
    )  # fmt: skip


def _limits(arms: Sequence[Arm], floor: float, scale: Scale, measure: Measure) -> tuple[float, float]:
    """What the y axis must show: every run that is drawn, and the whole of every interval but one so wide that the
    runs would shrink beside it.
    """
    seen = [value for arm in arms for value in _shown(arm, "finished", "untrained")]
    seen = [value for value in seen if value > 0] if scale.log else seen
    if not seen:
        return (0.1, 100.0) if scale.log else (0.0, 100.0)
    lowest, highest = (0.0 if min(seen) >= 0 else -math.inf), (100.0 if measure.share else math.inf)
    first = 0.5 * min([*seen, floor or 100.0]) if scale.logit else min(seen)
    bottom, top = (float(end) for end in scale.forward((first, max(seen))))
    span = max(top - bottom, _least_span(seen, scale, measure))
    intervals = [arm.interval for arm in arms if arm.interval is not None and arm.interval.n > 1]
    bounds = [measure.shown(one.estimate + sign * one.half_width) for one in intervals for sign in (-1, 1)]
    ends = [float(end) for end in scale.forward([min(max(bound, lowest), highest) for bound in bounds])]
    bottom = min([bottom, *(end for end in ends if end >= bottom - _REACH * span)])
    top = max([top, *(end for end in ends if end <= top + _REACH * span)])
    if scale.logit:
        room = 0.06 * (top - bottom)
        return max(float(scale.inverse(bottom)), 0.05), min(float(scale.inverse(top + room)), 99.95)
    room = max(0.06 * (top - bottom), 0.05) if scale.log else 0.12 * span
    low, high = (float(end) for end in scale.inverse((bottom - room, top + room)))
    return max(low, lowest), min(high, highest)


def _least_span(seen: Sequence[float], scale: Scale, measure: Measure) -> float:
    """Of runs that are all alike, in axis units."""
    if scale.logit or scale.log:
        return 0.1
    return 0.2 if measure.share else 0.02 * max(map(abs, seen)) or 0.2
