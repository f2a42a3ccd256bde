"""Axes that read as in a paper: plain ticks at the values used, series side by side, a strip of failure
counts.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from normfree.report.figures import Context
from normfree.report.style import GREY, INK, MARKS, PALE, SHAPES
from normfree.study import Arm, Value
from normfree.study.factor_names import label_of_factor
from normfree.study.varying import natural

NONE = "none"
_MOST_TEXTS, _MOST_TICKS, _SHORT = 24, 8, 6


@dataclass(frozen=True)
class Places:
    """Where the values of a factor stand: evenly spaced by rank, 'none' apart at the end. Names are set further apart,
    and nothing joins them.
    """

    values: tuple[Value, ...]

    @property
    def categories(self) -> bool:
        """Whether they are names."""
        return any(isinstance(value, str) for value in self.values)

    @property
    def many(self) -> bool:
        """Whether they are too many for a text at each."""
        return len(self.values) > _MOST_TEXTS

    @property
    def named(self) -> tuple[Value, ...]:
        """The values with a tick: all of them, or evenly chosen where they are many."""
        return self.values[:: math.ceil(len(self.values) / _MOST_TICKS)] if self.many else self.values

    @cached_property
    def _index(self) -> dict[Value, int]:
        return {value: index for index, value in enumerate(self.values)}

    def position(self, value: Value) -> float:
        """Axis position of a value."""
        index = self._index[value]
        return index + 0.35 if value is None and index else float(index)

    def dodge(self, index: int, count: int) -> float:
        """Offset that sets the `index`th of `count` series beside the others: about the width of a mark, whatever room
        the values leave.
        """
        return (index - (count - 1) / 2) * self.step(count)

    def step(self, count: int) -> float:
        """From one of `count` series to the next."""
        return 0.0 if count < 2 else min(0.03 * max(len(self.values), 2), 0.12, 0.48 / (count - 1))

    def aside(self, count: int) -> float:
        """From the mean of a series to its seeds, which stand between it and the next of `count`."""
        return 0.1 if count < 2 else 0.5 * self.step(count)


def places(found: Iterable[Mapping[Value, Arm]]) -> Places:
    """Places for all values that any series has, ascending, names after numbers, None last."""
    values = {value for arms in found for value in arms}
    numbers = sorted(value for value in values if isinstance(value, float))
    names = sorted((value for value in values if isinstance(value, str)), key=natural)
    return Places((*numbers, *names, *([None] if None in values else [])))


def x_axis(axes: Axes, where: Places, context: Context, apart: bool = False) -> None:
    """Ticks at the values themselves, in plain digits; faint lines between names, and where marks are set `apart` so
    far that one may ask whose they are.
    """
    named = where.named
    axes.set_xticks([where.position(value) for value in named])
    axes.set_xticklabels([text_of(value) for value in named])
    if where.categories:
        axes.tick_params(axis="x", length=0)
    if where.categories or (apart and not where.many):
        for value in where.values[:-1]:
            axes.axvline(where.position(value) + 0.5, color=PALE, linewidth=0.8, zorder=0)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    if where.values:
        axes.set_xlim(where.position(where.values[0]) - 0.62, where.position(where.values[-1]) + 0.5)
    factor = str(context.option("x", ""))
    axes.set_xlabel(str(context.option("x_label", label_of_factor(factor))))


def text_of(value: Value) -> str:
    """How a tick calls a value: long names in several lines."""
    if isinstance(value, str):
        return textwrap.fill(value, 12, break_long_words=False)
    return NONE if value is None else short(value)


def short(value: float) -> str:
    """As `plain`, of a value that is told to three digits where it has more: `0.283`."""
    text = plain(value)
    return text if len(text) <= _SHORT else plain(float(f"{value:.3g}"))


def plain(value: float) -> str:
    """`0.1`, `64`, `1024`: no exponents and no needless zeros."""
    return str(round(value)) if math.isclose(value, round(value)) and abs(value) < 1e7 else f"{value:.6g}"


@dataclass(frozen=True)
class Scale:
    """A y axis: linear, by the logarithm, or of percent by the logit, which shows 10, 50, 97 and 98 % apart at once."""

    logit: bool = False
    log: bool = False

    def forward(self, shown: ArrayLike) -> NDArray[np.float64]:
        """Values as they are shown, such as percent, to axis units."""
        values = np.asarray(shown, dtype=float)
        if self.log:
            return np.asarray(np.log10(np.maximum(values, 1e-300)))
        share = np.clip(values / 100, 1e-7, 1 - 1e-4)
        return np.log10(share / (1 - share)) if self.logit else values

    def inverse(self, units: ArrayLike) -> NDArray[np.float64]:
        """Axis units to values as they are shown."""
        units = np.asarray(units, dtype=float)
        if self.log:
            return np.asarray(np.power(10.0, units))
        return 100 / (1 + 10.0 ** (-units)) if self.logit else units


def failure_strip(
    axes: Axes, found: Mapping[str, Mapping[Value, Arm]], where: Places, context: Context,
    scale: Scale, limits: tuple[float, float], tell: Callable[[Arm], str] | None = None,
) -> None:  # fmt: skip
    """Set the y limits, in what is shown, and beneath them a row a series that counts what did not train.

    `✕3/3` are diverged of planned, `△2/3` untrained, `?1/3` without an outcome. Series that always trained have
    no row. Where values are too many for texts, marks alone say where they are. `tell` says something else of an arm.
    """
    say = tell or told
    rows = [name for name, arms in found.items() if any(say(arm) for arm in arms.values())]
    low, high = (float(value) for value in scale.forward(limits))
    height = 0.075 * (high - low)
    axes.set_ylim(float(scale.inverse(low - height * (len(rows) + 0.25 * bool(rows)))), limits[1])
    if not rows:
        return
    axes.axhspan(axes.get_ylim()[0], limits[0], color=PALE, zorder=0, linewidth=0)
    axes.spines["left"].set_bounds(*limits)
    left = where.position(where.values[0]) - 0.47
    for row, name in enumerate(rows):
        look, y = context.looks[name], float(scale.inverse(low - height * (row + 0.6)))
        axes.plot([left], [y], look.marker, color=look.colour, ms=look.size(3), mew=0, zorder=5)
        if where.many:
            _failure_marks(axes, found[name], where, y, look.dark)
            continue
        for value, arm in found[name].items():
            axes.text(
                where.position(value),
                y,
                say(arm),
                ha="center",
                va="center_baseline",
                fontsize=5.6,
                color=look.dark,
            )


def _failure_marks(axes: Axes, arms: Mapping[Value, Arm], where: Places, y: float, colour: str) -> None:
    for name, marker in (*SHAPES.items(), ("open", ".")):
        places = [where.position(value) for value, arm in arms.items() if getattr(arm.counts, name)]
        if places:
            axes.plot(places, [y] * len(places), marker, color=colour, ms=2.4, mew=0.6, mfc="white", zorder=5)


def strip_label(axes: Axes, y: float, text: str) -> None:
    """The name of a row of a strip, left of it."""
    axes.annotate(
        text, (0, y), xycoords=("axes fraction", "data"), xytext=(-3, 0), textcoords="offset points",
        ha="right", va="center", fontsize=5.6, color=INK, annotation_clip=False,
    )  # fmt: skip


def told(arm: Arm) -> str:
    """What did not train in an arm: `✕2△1/3`, or an empty string."""
    counts = arm.counts
    failed = [(MARKS[name], getattr(counts, name)) for name in MARKS] + [("?", counts.open)]
    parts = [f"{mark}{n}" for mark, n in failed if n]
    return "".join(parts) + f"/{counts.planned}" if parts else ""


def chance(context: Context) -> float | None:
    """Accuracy of guessing the largest class, as recorded, else from the number of classes; None where runs disagree
    or none is recorded.
    """
    table = context.study.collection.table
    shares = table["chance.share"].dropna().unique()
    if len(shares) == 1:
        return float(shares[0])
    classes = table["data.classes"].dropna().unique()
    return 1 / float(classes[0]) if len(classes) == 1 and classes[0] > 0 else None


def floor_line(axes: Axes, y: float, text: str = "", taken: Sequence[float] = ()) -> None:
    """A dashed line across, with its name beneath its left end, or where most room is between the places along the axis
    that are taken, in the unit of `axes`, whose limits are set.
    """
    axes.axhline(y, color=GREY, linewidth=0.6, linestyle=(0, (3, 2)), zorder=1)
    if not text:
        return
    left, right = axes.get_xlim()
    ends = [left, *sorted(x for x in taken if left < x < right), right]
    start, end = max(pairwise(ends), key=lambda gap: gap[1] - gap[0])
    middle = taken and start > left
    axes.annotate(
        text, ((start + end) / 2, y) if middle else (0, y), xycoords="data" if middle else ("axes fraction", "data"),
        xytext=(0 if middle else 3, -1.5), textcoords="offset points", ha="center" if middle else "left", va="top",
        fontsize=6, color=GREY,
    )  # fmt: skip


def spread(count: int, width: float) -> Sequence[float]:
    """Offsets that set `count` dots side by side within `width`."""
    return [0.0] * count if count < 2 else [width * (i / (count - 1) - 0.5) for i in range(count)]
