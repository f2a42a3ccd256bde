"""Mean |skip gain| at the end of training over a factor: did the residual branches open?"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from normfree.report.axes import places, plain, spread, x_axis
from normfree.report.figures import Context
from normfree.report.style import SHAPES
from normfree.study import MEASURES, Cell, along

OPTIONS = ("x", "x_label")
HEIGHT = 2.5
CAPTION = (
    "Each mark is one run: the mean of |skip gain| over its residual blocks after the last step; it starts at 0. Open "
    "marks are stalled runs, whose gains hardly opened; triangles were untrained. A run can have stalled and be "
    "trained all the same, through its shortcuts. Diverged runs are left out."
)
_GAIN = MEASURES["skip_gain/mean_abs"]


def marks(context: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series: stalled and untrained runs where there are any."""
    seen = [cell.counts for cells in _found(context).values() for cell in cells.values()]
    return ("seed", *(name for name in ("untrained", "stalled") if any(getattr(one, name) for one in seen)))


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one mark a run."""
    found = _found(context)
    where = places(found.values())
    for index, (name, cells) in enumerate(found.items()):
        look = context.looks[name]
        for value, cell in cells.items():
            runs = cell.runs[cell.runs["status"].isin(("finished", "untrained")) & (cell.runs[_GAIN.name] > 0)]
            centre = where.position(value) + where.dodge(index, len(found))
            for offset, (_, run) in zip(spread(len(runs), 0.1), runs.iterrows(), strict=True):
                untrained, stalled = run["status"] == "untrained", run["stalled"] is True
                axes.plot(
                    [centre + offset], [run[_GAIN.name]], SHAPES["untrained"] if untrained else look.marker,
                    ms=look.size(3.6), mew=0.8 if stalled else 0,
                    mec=look.colour, mfc="white" if stalled else look.colour, alpha=0.85,
                )  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axes.set_ylabel(_GAIN.label)
    x_axis(axes, where, context)


def _found(context: Context) -> dict[str, dict[float | None, Cell]]:
    table, x = context.collection.table, context.required("x")
    return {one.name: along(table, context.panel, one, x) for one in context.series}
