"""The trials of a search over one of the keys they differ in, or over their number: what paid and what did not."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from normfree.config.errors import UserError, nearest
from normfree.report.axes import Scale, plain, strip_label
from normfree.report.figures import Context
from normfree.report.style import GREY, INK, PALE
from normfree.study.factor_names import label_of_factor
from normfree.study.trials import space_of, trials_of
from normfree.study.varying import natural

OPTIONS = ("x", "x_label")
HEIGHT = 2.5
DRAWS_RUNS = False
CAPTION = (
    "A dot is a trial of one seed, by its validation accuracy at the end; open ones were pruned, at the accuracy of "
    "their short run. The strip beneath counts trials without an accuracy."
)
_LINE = " The line is the best so far."
_MOST_RATIO = 8.0
"""Between the ends of an axis from which on it is logarithmic."""
_FAR_APART = 30.0
"""Points between the lowest and the highest accuracy from which on their axis is a logit's."""
_FAR_TICKS = (1, 2, 5, 10, 20, 30, 50, 70, 80, 90, 95, 98, 99)
_BLIND = ("over budget", "diverged", "untrained", "refused", "failed", "running")


def caption(context: Context) -> str:
    """What stands beneath the panel."""
    return CAPTION + (_LINE if context.option("x") == "trial" else "")


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain."""
    return ("trial", "pruned")


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with the trials over `x`.

    Raises:
        UserError: there was no search, or its trials do not differ in `x`.
    """
    x = context.required("x")
    place = f"experiment.panels.{context.panel.name}"
    trials = trials_of(context.study.collection.files)
    if trials is None:
        raise UserError(f"{place}: the experiment has no trials; a panel of kind trials_over needs experiment.trials")
    known = ["trial", "latency_ms", *space_of(trials)]
    if x not in known:
        raise UserError(f"{place}.x={x}: trials do not differ in it{nearest(x, known)}; there are: {', '.join(known)}")
    places = _places(axes, trials, x)
    ends = trials["outcome"].isin(["finished"]) & trials["accuracy"].notna()
    pruned = (trials["outcome"] == "pruned") & trials["short_accuracy"].notna()
    axes.plot(
        places[pruned], 100 * trials["short_accuracy"][pruned], "o", ms=2.6, mfc="white", mec=GREY, mew=0.7, zorder=2
    )
    axes.plot(places[ends], 100 * trials["accuracy"][ends], ".", ms=5, mew=0, color=GREY, zorder=3)
    if x == "trial" and ends.any():
        best = (100 * trials["accuracy"][ends]).cummax()
        axes.step(places[ends], best, where="post", color=INK, linewidth=0.8, zorder=2.5)
    seen = [*(100 * trials["accuracy"][ends]), *(100 * trials["short_accuracy"][pruned])]
    _strip(axes, trials, places, seen)
    usual = {"trial": "trial", "latency_ms": "latency of inference (ms a batch)"}.get(x, label_of_factor(x))
    axes.set_xlabel(str(context.option("x_label", usual)))
    axes.set_ylabel("validation accuracy (%)")


def _places(axes: Axes, trials: pd.DataFrame, x: str) -> pd.Series:
    """Where each trial stands: at its number, or at the place of its value, a little beside the others of it."""
    numbers = pd.to_numeric(trials[x], errors="coerce")
    if numbers.notna().all() and numbers.nunique() > 6:
        if x == "trial":
            return numbers + 1
        low, high = float(numbers.min()), float(numbers.max())
        if low > 0 and high / low >= _MOST_RATIO:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(FixedLocator(_ticks(low, high)))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(float(f"{value:.6g}"))))
        return numbers
    values = sorted({str(value) for value in trials[x]}, key=natural)
    order = trials.groupby(x).cumcount() % 7
    turned = 25 if max(map(len, values)) > 6 else 0
    axes.set_xticks(range(len(values)), [_short(value) for value in values], rotation=turned)
    axes.set_xlim(-0.55, len(values) - 0.45)
    return trials[x].map({value: place for place, value in enumerate(values)}).astype(float) + 0.06 * (order - 3)


def _short(value: str) -> str:
    return value.strip("[]").replace(",", "-")


def _ticks(low: float, high: float) -> list[float]:
    ticks = [factor * 10.0**power for power in range(-8, 6) for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    return inside if len(inside) <= 7 else [tick for tick in inside if f"{tick:e}"[0] == "1"]


def _strip(axes: Axes, trials: pd.DataFrame, places: pd.Series, seen: list[float]) -> None:
    """The upright axis, by the logit where accuracies are far apart, and a row a kind of trial without one."""
    low, high = min(seen, default=0.0), max(seen, default=100.0)
    scale = Scale(logit=high - low > _FAR_APART)
    axes.set_yscale("function", functions=(scale.forward, scale.inverse))
    ends = [float(scale.forward(value)) for value in (low, high)]
    room = 0.06 * max(ends[1] - ends[0], 0.02 if scale.logit else 1.0)
    bottom, top = ends[0] - room, ends[1] + room
    rows = [(name, places[trials["outcome"] == name]) for name in _BLIND]
    rows = [(name, where) for name, where in rows if len(where)]
    height = 0.065 * (top - bottom)
    floor = bottom - height * (len(rows) + 0.3 * bool(rows))
    shown = [float(scale.inverse(unit)) for unit in (floor, bottom, top)]
    axes.set_ylim(shown[0], shown[2])
    axes.spines["left"].set_bounds(shown[1], shown[2])
    ticks = _FAR_TICKS if scale.logit else axes.get_yticks()
    axes.set_yticks([tick for tick in ticks if shown[1] <= tick <= shown[2]])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    if rows:
        axes.axhspan(shown[0], shown[1], color=PALE, zorder=0, linewidth=0)
    axes.set_xlim(*axes.get_xlim())
    for row, (name, where) in enumerate(rows):
        y = float(scale.inverse(bottom - height * (row + 0.65)))
        axes.plot(where, [y] * len(where), "|", color=GREY, ms=4.5, mew=0.7, zorder=3)
        strip_label(axes, y, f"{len(where)} {name}")
