"""A measure over two factors: one tile an arm, coloured by its mean where every seed trained, hatched where not."""

from __future__ import annotations

import math

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from normfree.config.errors import UserError
from normfree.report.axes import plain, told
from normfree.report.figures import Context
from normfree.report.style import INK
from normfree.study import Arm
from normfree.study.factor_names import label_of_factor

OPTIONS = ("x", "y", "x_label", "y_label", "measure")
HEIGHT = 2.5
CAPTION = (
    "Each tile is one arm: the mean ({measure}) of its seeds, in numbers and as colour, the same in all panels. "
    "Hatched are arms of which one did not train: ✕ diverged, △ untrained, ? no outcome yet, of those planned; they "
    "have no mean. What was not planned is blank."
)
_MOST_TILES = 200
_COLOURS = "viridis"


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain: nothing, as tiles have no series."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with tiles and a bar of their colours.

    Raises:
        UserError: `x` or `y` is missing, the same, or takes more values than can be told apart.
    """
    x, y = context.required("x"), context.required("y")
    place = f"experiment.panels.{context.panel.name}"
    if x == y:
        raise UserError(f"{place}.y={y}: is x too; name another factor")
    found = context.study.crossed(context.panel, context.series, x, y)
    columns, rows = (sorted({pair[axis] for pair in found}) for axis in (0, 1))
    if len(columns) * len(rows) > _MOST_TILES:
        raise UserError(
            f"{place}: {len(columns)} values of {x} and {len(rows)} of {y} are more than {_MOST_TILES} tiles; "
            "choose fewer in `where`"
        )
    measure = context.measure
    means = _means(context)
    low, high = min(means, default=0.0), max(means, default=1.0)
    norm = Normalize(low, high) if low < high else Normalize(low - 0.5, high + 0.5)
    for (across, up), arm in found.items():
        _tile(axes, columns.index(across), rows.index(up), arm, norm, context)
    axes.set_xlim(-0.5, max(len(columns), 1) - 0.5)
    axes.set_ylim(-0.5, max(len(rows), 1) - 0.5)
    axes.set_xticks(range(len(columns)), [plain(value) for value in columns])
    axes.set_yticks(range(len(rows)), [plain(value) for value in rows])
    axes.set_xlabel(str(context.option("x_label", label_of_factor(x))))
    axes.set_ylabel(str(context.option("y_label", label_of_factor(y))))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if means:
        bar = axes.figure.colorbar(ScalarMappable(norm, _COLOURS), ax=axes, pad=0.02, fraction=0.06)
        bar.outline.set_visible(False)
        bar.set_label(measure.axis)


def _means(context: Context) -> list[float]:
    """What is shown in all heat maps of the experiment that show this measure: a colour means the same in each."""
    study, measure = context.study, context.measure
    like = [one for one in study.experiment.panels if one.kind == context.panel.kind and study.measure(one) == measure]
    every = []
    for panel in {one.name: one for one in (*like, context.panel)}.values():
        arms = study.crossed(
            panel, study.series_of(panel), str(panel.options.get("x")), str(panel.options.get("y"))
        ).values()
        every += [measure.shown(arm.interval.estimate) for arm in arms if arm.interval is not None]
    return every


def _tile(axes: Axes, column: int, row: int, arm: Arm, norm: Normalize, context: Context) -> None:
    """One arm, a little apart from its neighbours."""
    corner, width, height = (column - 0.47, row - 0.46), 0.94, 0.92
    if arm.interval is None:
        axes.add_patch(
            Rectangle(corner, width, height, facecolor="white", edgecolor="#c8c8c8", hatch="////", linewidth=0)
        )
        axes.text(
            column, row, told(arm) or f"0/{arm.counts.planned}", ha="center", va="center", fontsize=6, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
        return
    value = context.measure.shown(arm.interval.estimate)
    red, green, blue, _ = mpl.colormaps[_COLOURS](norm(value))
    axes.add_patch(Rectangle(corner, width, height, facecolor=(red, green, blue), linewidth=0))
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
    axes.text(
        column, row, _number(value, context.measure.share), ha="center", va="center", fontsize=6.5,
        color=INK if light else "white",
    )  # fmt: skip


def _number(value: float, share: bool) -> str:
    if share:
        return f"{value:.1f}"
    return f"{value:.3g}" if math.isfinite(value) else ""
