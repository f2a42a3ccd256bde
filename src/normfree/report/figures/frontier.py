"""The stability frontier: the largest learning rate, or other factor, that still trains, over a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.markers import CARETUPBASE
from matplotlib.ticker import FuncFormatter, NullLocator

from normfree.config.errors import UserError
from normfree.report.axes import Places, short, spread, x_axis
from normfree.report.figures import Context
from normfree.report.style import PALE, Look
from normfree.study import Arm
from normfree.study.factor_names import label_of_factor

OPTIONS = ("x", "x_label", "y", "y_label", "at_least")
HEIGHT = 2.6
CAPTION = (
    "The large mark is the highest value tried at which {at_least} trained; small dots are the same for each "
    "seed by itself, and the bar runs from the lowest seed to the highest. Thin ticks beneath are the values tried. "
    "An arrow up: the highest value tried still trained, so that the frontier lies above. ✕ in the strip: at no value "
    "did so many train; so many seeds of those planned trained nowhere. The upright axis is logarithmic."
)


@dataclass(frozen=True)
class Frontier:
    """What is known of one place of one series.

    Attributes:
        highest: value at which enough runs trained; none where there is no such value.
        seeds: the highest of each seed; none for a seed that trained nowhere.
        tried: all values, ascending.
    """

    highest: float | None
    seeds: Mapping[int, float | None]
    tried: tuple[float, ...]

    @property
    def is_open(self) -> bool:
        """Whether the highest value tried still trained."""
        return self.highest is not None and self.highest == self.tried[-1]


def frontier(arms: Mapping[float, Arm], at_least: int | None) -> Frontier:
    """Of arms by the factor that is raised.

    Args:
        at_least: runs that have to train at a value; None for all that are planned there. After a search, in which
            seeds are tried at values of their own, None is for the median of the seeds, the lower one of two.
    """
    tried = tuple(sorted(arms))
    good = [value for value in tried if arms[value].counts.trained >= (at_least or arms[value].counts.planned)]
    searched = len({tuple(sorted(arm.runs["seed"])) for arm in arms.values()}) > 1
    seeds: dict[int, float | None] = {}
    for value in tried:
        runs = arms[value].runs
        for seed, status in zip(runs["seed"], runs["status"], strict=True):
            seeds[int(seed)] = value if status == "finished" else seeds.get(int(seed))
    if searched and at_least is None:
        edges = sorted(-math.inf if edge is None else edge for edge in seeds.values())
        middle = edges[(len(edges) - 1) // 2]
        return Frontier(None if middle == -math.inf else middle, seeds, tried)
    return Frontier(max(good, default=None), seeds, tried)


def caption(context: Context) -> str:
    """What stands beneath the panel."""
    least = context.option("at_least")
    every = "every planned run (after a search: the median seed)"
    return CAPTION.replace("{at_least}", f"at least {least} runs" if least else every)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ("seed", "frontier")


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one line a series over the panel's factor `x`.

    Raises:
        UserError: `x` is missing, `at_least` is no number of runs, or the values of `y` span nothing.
    """
    x, y = context.required("x"), str(context.option("y", "lr"))
    place = f"experiment.panels.{context.panel.name}"
    least = context.option("at_least")
    if least is not None and (isinstance(least, bool) or not isinstance(least, int) or least < 1):
        raise UserError(f"{place}.at_least={least}: give a number of runs, such as 2, or leave it out for all")
    found = {one.name: _by_place(context, one, x, y, least) for one in context.series}
    where = Places(tuple(sorted({value for each in found.values() for value in each})))
    tried = [value for each in found.values() for one in each.values() for value in one.tried]
    if any(value <= 0 for value in tried):
        raise UserError(f"{place}.y={y}: has values of 0 and less, which a logarithmic axis cannot show")
    axes.set_yscale("log")
    for index, (name, each) in enumerate(found.items()):
        _series(axes, each, where, where.dodge(index, len(found)), where.aside(len(found)), context.looks[name])
    x_axis(axes, where, context)
    if tried:
        _limits(axes, sorted(set(tried)), found, where, context)
    axes.set_ylabel(str(context.option("y_label", f"largest {label_of_factor(y)} that trains")))


def _by_place(context: Context, one: object, x: str, y: str, least: int | None) -> dict[float, Frontier]:
    arms: dict[float, dict[float, Arm]] = {}
    for (across, up), arm in context.study.crossed(context.panel, [one], x, y).items():  # type: ignore[list-item]
        arms.setdefault(across, {})[up] = arm
    return {across: frontier(each, least) for across, each in arms.items()}


def _series(axes: Axes, each: Mapping[float, Frontier], where: Places, shift: float, aside: float, look: Look) -> None:
    line = []
    for value, one in each.items():
        x = where.position(value) + shift
        axes.plot([x] * len(one.tried), one.tried, "_", color=look.colour, ms=3, mew=0.5, alpha=0.45, zorder=2)
        seeds = [seed for seed in one.seeds.values() if seed is not None]
        dots = [x + aside + offset for offset in spread(len(seeds), min(0.08, 0.8 * aside))]
        axes.plot(dots, seeds, ".", ms=3.2, mew=0, color=look.colour, alpha=0.7, zorder=4)
        if seeds and min(seeds) < max(seeds):
            axes.plot([x, x], [min(seeds), max(seeds)], color=look.colour, linewidth=0.9, zorder=3)
        line.append((x, math.nan if one.highest is None else one.highest))
        if one.is_open:
            axes.plot(
                [x], [one.tried[-1] * 1.12], marker=CARETUPBASE, ms=4, mew=0, color=look.colour, zorder=4, clip_on=False
            )
    if line:
        axes.plot(
            *zip(*line, strict=True), look.marker, linestyle="-", color=look.colour, ms=look.size(4.6), mec="white",
            mew=look.edge, zorder=3.5,
        )  # fmt: skip


def _limits(
    axes: Axes, tried: list[float], found: Mapping[str, Mapping[float, Frontier]], where: Places, context: Context
) -> None:
    """Ticks at the values tried, and beneath them a row a series that says where nothing trained."""
    ratio = max(tried[-1] / tried[0], 2.0)
    step = ratio**0.07
    low, high = tried[0] / step, tried[-1] * ratio**0.09
    rows = [name for name, each in found.items() if any(one.highest is None for one in each.values())]
    bottom = low / step ** len(rows)
    axes.set_ylim(bottom, high)
    axes.yaxis.set_minor_locator(NullLocator())
    chosen = tried[:: math.ceil(len(tried) / 9)]
    axes.set_yticks([value for value in chosen if _apart(value, chosen, ratio)])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(float(np.round(value, 6)))))
    if not rows:
        return
    axes.axhspan(bottom, low, color=PALE, zorder=0, linewidth=0)
    for row, name in enumerate(rows):
        look, y = context.looks[name], low / step ** (row + 0.5)
        axes.plot([where.position(where.values[0]) - 0.47], [y], look.marker, color=look.colour, ms=look.size(3), mew=0)
        for value, one in found[name].items():
            if one.highest is None:
                trained = sum(seed is not None for seed in one.seeds.values())
                text = f"✕{len(one.seeds) - trained}/{len(one.seeds)}"
                axes.text(where.position(value), y, text, ha="center", va="center", fontsize=5.6, color=look.dark)


def _apart(value: float, chosen: list[float], ratio: float) -> bool:
    """Whether a tick has room above the one before it."""
    before = [one for one in chosen if one < value]
    return not before or value / before[-1] > ratio**0.05
