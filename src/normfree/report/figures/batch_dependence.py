"""How much the result for an image depends on its batch: three measured differences on a log axis."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from normfree.report.axes import floor_line, spread
from normfree.report.figures import Context
from normfree.report.log_axis import power
from normfree.report.style import PALE
from normfree.study.measures import ROWS

OPTIONS = ("threshold",)
HEIGHT = 2.5
CAPTION = (
    "Each dot is one run: the largest relative difference, in float64, between computing a batch whole and "
    "one image "
    "at a time (logits), in training and in evaluation mode (logits), and whole and as two accumulated "
    "halves "
    "(gradient). The dashed line is the threshold of the claim; exact zeros stand at the bottom."
)

_MEASURES = [row for row in ROWS if row.name.startswith("batch_dependence.")]
_ZERO = 1e-19
_TICKS = (1e-16, 1e-12, 1e-8, 1e-4, 1e0)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ("seed",)


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one dot a run, measure and series."""
    count = len(context.series)
    step = min(0.2, 0.8 / max(count, 1))
    highest = 1e-2
    for index, one in enumerate(context.series):
        runs = context.runs(one)
        look = context.looks[one.name]
        for position, measure in enumerate(_MEASURES):
            values = [float(value) for value in runs[measure.name].dropna()]
            centre = position + (index - (count - 1) / 2) * step
            axes.plot(
                [centre + offset for offset in spread(len(values), 0.6 * step)],
                [value if value > 0 else _ZERO for value in values],
                look.marker,
                color=look.colour,
                ms=look.size(3.6),
                mec="white",
                mew=0.6 * look.edge,
                zorder=4,
            )
            highest = max([highest, *values])
    axes.set_yscale("log")
    axes.set_ylim(_ZERO / 6, max(highest * 30, 1.0))
    axes.axhspan(_ZERO / 6, _ZERO * 6, color=PALE, zorder=0, linewidth=0)
    axes.yaxis.set_major_locator(FixedLocator([_ZERO, *_TICKS]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xticks(range(len(_MEASURES)), [row.label.replace(" vs ", "\nvs ") for row in _MEASURES])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(_MEASURES) - 0.45)
    axes.set_ylabel("largest relative difference")
    threshold = context.option("threshold")
    if isinstance(threshold, int | float):
        floor_line(axes, float(threshold), "threshold")


def _tick(value: float, _: object) -> str:
    if value == _ZERO:
        return "0"
    return power(round(math.log10(value)))
