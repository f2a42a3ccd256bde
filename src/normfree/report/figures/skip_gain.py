"""Mean |skip gain| at the end of training over a factor: did the residual branches open?"""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from normfree.report.axes import Places, places, spread, x_axis
from normfree.report.figures import Context
from normfree.report.log_axis import log_axis
from normfree.report.style import SHAPES
from normfree.study import MEASURES, Arm, Value

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
    seen = [arm.counts for arms in context.along().values() for arm in arms.values()]
    return ("seed", *(name for name in ("untrained", "stalled") if any(getattr(one, name) for one in seen)))


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one mark a run."""
    found = context.along()
    where = places(found.values())
    for index, (name, arms) in enumerate(found.items()):
        look = context.looks[name]
        shift = where.dodge(index, len(found))
        width = min(0.1, 0.7 * where.step(len(found)) or 0.1)
        for (untrained, stalled), points in _by_mark(arms, where, shift, width).items():
            axes.plot(
                *zip(*points, strict=True), SHAPES["untrained"] if untrained else look.marker,
                ms=look.size(3.6), mew=0.8 if stalled else 0,
                mec=look.colour, mfc="white" if stalled else look.colour, alpha=0.85,
            )  # fmt: skip
    axes.set_yscale("log")  # its limits are other ones than those of a linear axis
    log_axis(axes)
    axes.set_ylabel(_GAIN.label)
    x_axis(axes, where, context)


def _by_mark(
    arms: Mapping[Value, Arm], where: Places, shift: float, width: float
) -> dict[tuple[bool, bool], list[tuple[float, float]]]:
    """Places of the runs that are drawn alike, by whether they are untrained and whether they stalled."""
    found: dict[tuple[bool, bool], list[tuple[float, float]]] = {}
    for value, arm in arms.items():
        columns = (arm.runs[name].tolist() for name in ("status", "stalled", _GAIN.name))
        runs = [
            (status == "untrained", stalled is True, gain)
            for status, stalled, gain in zip(*columns, strict=True)
            if status in ("finished", "untrained") and gain > 0
        ]
        centre = where.position(value) + shift
        for offset, (untrained, stalled, gain) in zip(spread(len(runs), width), runs, strict=True):
            found.setdefault((untrained, stalled), []).append((centre + offset, gain))
    return found
