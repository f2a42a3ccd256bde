"""Accuracy for its latency: trials of a search, those trained again with further seeds, and what stands beside them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from normfree.config.errors import UserError
from normfree.report.axes import plain, strip_label
from normfree.report.figures import Context
from normfree.report.style import GREY, PALE
from normfree.study import Series, arm_of
from normfree.study.trials import latencies_of, trials_of

Latencies = dict[str, tuple[float, float, float]]
OPTIONS = ("measure", "budget", "x_label")
HEIGHT = 2.9
CAPTION = (
    "Grey dots are trials of one seed, by validation; the grey line is their front, which is too high, as they were "
    "chosen by it. Large marks are {measure} of further seeds: the mean where every seed trained, the bar its {level} "
    "Student t interval, small dots the seeds, the flat bar the quartiles of the latency; networks of a series are "
    "joined. Ticks in the strip beneath are trials without an accuracy at the end, at their latency; the dashed line "
    "is the budget."
)
_TICKS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)
_STRIPS = (("pruned", ("pruned",)), ("over budget", ("over budget",)), ("not trained", ("diverged", "untrained")))


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ("mean", "trial")


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with the trials, and an arm a mark.

    Raises:
        UserError: there was no search, or it timed nothing.
    """
    files = context.study.collection.files
    trials, latencies = trials_of(files), latencies_of(files)
    place = f"experiment.panels.{context.panel.name}"
    if trials is None or not latencies or trials["latency_ms"].isna().all():
        raise UserError(f"{place}: the runs have no latencies; a panel of kind pareto needs experiment.trials.latency")
    axes.set_xscale("log")
    finished = trials[(trials["outcome"] == "finished") & trials["accuracy"].notna()]
    shown = [100 * value for value in finished["accuracy"]]
    axes.plot(finished["latency_ms"], shown, ".", color=GREY, ms=4.2, mew=0, alpha=0.65, zorder=2)
    _front(axes, finished)
    for one in context.series:
        shown += _series(axes, context, one, latencies)
    budget = context.option("budget")
    x = [*trials["latency_ms"].dropna(), *(ms for ms, _, _ in latencies.values())]
    _axes(axes, x, shown, trials, None if budget is None else float(budget))
    axes.set_xlabel(str(context.option("x_label", "latency of inference (ms a batch)")))
    axes.set_ylabel("accuracy (%)" if context.measure.of_chance else context.measure.axis)


def _front(axes: Axes, finished: pd.DataFrame) -> None:
    best, steps = -1.0, []
    for ms, accuracy in sorted(zip(finished["latency_ms"], 100 * finished["accuracy"], strict=True)):
        if accuracy > best:
            best = accuracy
            steps.append((ms, accuracy))
    if steps:
        axes.step(*zip(*steps, strict=True), where="post", color=GREY, linewidth=0.7, zorder=1.5)


def _series(axes: Axes, context: Context, one: Series, latencies: Latencies) -> list[float]:
    """The arms of a series that were timed, of their runs that belong to it; the values that the axis has to show."""
    runs, look, measure = context.runs(one), context.looks[one.name], context.measure
    level = context.study.experiment.level
    arms = [arm_of(part, level, measure) for name, part in runs.groupby("arm_id") if str(name) in latencies]
    shown: list[float] = []
    line: list[tuple[float, float]] = []
    for arm in sorted(arms, key=lambda arm: latencies[arm.arm_id]):
        ms, low, high = latencies[arm.arm_id]
        values = [measure.shown(value) for value in arm.values("finished", "untrained")]
        axes.plot([ms * 1.025] * len(values), values, ".", color=look.colour, ms=3.0, mew=0, alpha=0.7, zorder=4)
        shown += values
        if arm.interval is None:
            continue
        mean = measure.shown(arm.interval.estimate)
        line.append((ms, mean))
        axes.plot([low, high], [mean, mean], color=look.colour, linewidth=0.7, zorder=3)
        if arm.interval.n > 1:
            ends = [measure.shown(arm.interval.low), measure.shown(arm.interval.high)]
            axes.plot([ms, ms], ends, color=look.colour, linewidth=0.9, marker="_", ms=2.8, mew=0.9, zorder=3)
            shown += ends
    if line:
        axes.plot(
            *zip(*line, strict=True), look.marker, linestyle="-", color=look.colour, linewidth=0.9,
            ms=look.size(4.6), mec="white", mew=look.edge, zorder=3.6,
        )  # fmt: skip
    return shown


def _axes(axes: Axes, x: list[float], shown: list[float], trials: pd.DataFrame, budget: float | None) -> None:
    """Plain ticks, and beneath the values a strip for each kind of trial that has no accuracy."""
    low, high = min(x) / 1.12, max(x) * 1.12
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    bottom, top = (min(shown), max(shown)) if shown else (0.0, 100.0)
    room = 0.06 * max(top - bottom, 1.0)
    bottom, top = bottom - room, top + room
    strips = [(name, trials[trials["outcome"].isin(outcomes)]) for name, outcomes in _STRIPS]
    strips = [(name, rows) for name, rows in strips if len(rows)]
    height = 0.065 * (top - bottom)
    floor = bottom - height * (len(strips) + 0.3)
    axes.set_ylim(floor if strips else bottom, top)
    axes.spines["left"].set_bounds(bottom, top)
    axes.set_yticks([tick for tick in axes.get_yticks() if bottom <= tick <= top])
    if strips:
        axes.axhspan(floor, bottom, color=PALE, zorder=0, linewidth=0)
    for row, (name, rows) in enumerate(strips):
        y = bottom - height * (row + 0.65)
        axes.plot(rows["latency_ms"], [y] * len(rows), "|", color=GREY, ms=4.5, mew=0.7, zorder=3, clip_on=False)
        strip_label(axes, y, f"{len(rows)} {name}")
    if budget is not None:
        axes.axvline(budget, color=GREY, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
        axes.text(budget * 1.02, top, "budget", fontsize=6, color=GREY, va="top")
