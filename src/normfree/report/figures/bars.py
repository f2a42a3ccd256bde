"""What runs cost: one bar a series, the median of seconds a step, images a second, bytes or any other measure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from normfree.config.errors import UserError, nearest
from normfree.report.axes import spread
from normfree.report.figures import Context
from normfree.report.style import GREY, INK
from normfree.runs import TERMINAL
from normfree.study.measures import SECONDS_PER_STEP, Measure, measure_of

OPTIONS = ("measure", "baseline")
HEIGHT = 2.0
DEFAULT = "time.images_per_second"
CAPTION = (
    "Bars are medians over the runs that took all their steps (dots), lines reach from the 10th to the 90th "
    "percentile, n is beside them{baseline}. Runs that shared their machine with others are slower than alone."
)
_SCALES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))


def caption(context: Context) -> str:
    """What stands beneath the panel."""
    look = context.looks.get(str(context.option("baseline")))
    label = "" if look is None else look.label.replace("{", "{{").replace("}", "}}")
    return CAPTION.replace("{baseline}", f", and the ratio to {label}" if label else "")


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain: nothing, as each bar bears its name."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with a bar a series, the first on top.

    Raises:
        UserError: an unknown measure, or a baseline that is no series of the panel.
    """
    measure = measure_of(
        context.option("measure", DEFAULT),
        context.study.collection.table,
        f"experiment.panels.{context.panel.name}.measure",
    )
    values = {one.name: costs(context.runs(one), measure) for one in context.series}
    scale, unit = _scale(measure, [float(value) for each in values.values() for value in each])
    beside = _baseline(context, values)
    longest = max((float(np.quantile(each, 0.9)) for each in values.values() if len(each)), default=1.0) / scale
    for row, (name, each) in enumerate(values.items()):
        look = context.looks[name]
        if not len(each):
            axes.text(0, row, " no run took all its steps", va="center", fontsize=6, color=GREY)
            continue
        low, middle, high = (float(np.quantile(each, share)) / scale for share in (0.1, 0.5, 0.9))
        axes.barh(row, middle, 0.5, color=look.colour, alpha=0.28, linewidth=0)
        axes.plot([middle, middle], [row - 0.25, row + 0.25], color=look.colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot([low, high], [row, row], color=look.colour, linewidth=0.9)
        dots = [row + offset for offset in spread(len(each), 0.34)]
        axes.plot([float(value) / scale for value in each], dots, ".", ms=3, mew=0, color=look.dark, alpha=0.8)
        ratio = f", ratio {middle * scale / beside:.2f}" if beside else ""
        said = f"{middle:.3g}{ratio}  (n = {len(each)})"
        axes.text(0.01 * longest, row + 0.37, said, va="center", fontsize=6, color=INK, zorder=5)
    axes.set_ylim(len(values) - 0.4, -0.4)
    axes.set_xlim(0, 1.12 * longest)
    axes.set_yticks(range(len(values)), [context.looks[name].label for name in values])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{measure.label} ({unit})" if unit else measure.label)


def costs(runs: pd.DataFrame, measure: Measure) -> np.ndarray:
    """The measure of the runs that took all their steps."""
    whole = runs[runs["status"].isin(TERMINAL) & (runs["steps_done"] == runs["steps"])]
    return np.asarray(pd.to_numeric(whole[measure.name], errors="coerce").dropna(), dtype=float)


def _scale(measure: Measure, values: list[float]) -> tuple[float, str]:
    if measure.share:
        return 0.01, "%"
    if measure.unit == "bytes" and values:
        return next(((size, name) for size, name in _SCALES if max(values) >= size), (1.0, "bytes"))
    if measure.name == SECONDS_PER_STEP.name and values and max(values) < 1:
        return 1e-3, "ms"
    return 1.0, measure.unit


def _baseline(context: Context, values: dict[str, np.ndarray]) -> float | None:
    name = context.option("baseline")
    if name is None:
        return None
    if name not in values:
        place = f"experiment.panels.{context.panel.name}.baseline"
        raise UserError(f"{place}={name}: is no series of this panel{nearest(str(name), values)}")
    return float(np.median(values[name])) if len(values[name]) else None
