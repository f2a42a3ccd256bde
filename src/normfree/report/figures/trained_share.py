"""Which runs trained, as a table of tiles: a row a series, a column a value, `k/n` in each, shaded by the
share.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from normfree.report.axes import places, plain, told
from normfree.report.figures import Context
from normfree.report.style import INK
from normfree.study import along

OPTIONS = ("x", "x_label")
HEIGHT = 2.2
CAPTION = (
    "Runs that trained, of those planned; the darker, the more. Beneath the count, what became of the "
    "others: ✕ diverged, "
    "△ untrained, ? no outcome yet."
)
_EMPTY, _FULL = (1.0, 1.0, 1.0), (0.13, 0.44, 0.71)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one tile a cell."""
    x = context.required("x")
    found = {one.name: along(context.collection.table, context.panel, one, x) for one in context.series}
    where = places(found.values())
    for row, cells in enumerate(found.values()):
        for value, cell in cells.items():
            column = where.values.index(value)
            share = cell.counts.trained / cell.counts.planned
            colour = tuple(e + (f - e) * share for e, f in zip(_EMPTY, _FULL, strict=True))
            axes.add_patch(
                Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, facecolor=colour, edgecolor="#c8c8c8", lw=0.5)
            )
            failed = told(cell).rpartition("/")[0]
            ink = "white" if share > 0.55 else INK
            axes.text(
                column, row - (0.13 if failed else 0), f"{cell.counts.trained}/{cell.counts.planned}",
                ha="center", va="center", color=ink, fontsize=7,
            )  # fmt: skip
            if failed:
                axes.text(
                    column,
                    row + 0.23,
                    failed,
                    ha="center",
                    va="center",
                    color=ink,
                    fontsize=5.6 if len(failed) < 6 else 4.6,
                )
    axes.set_xlim(-0.55, len(where.values) - 0.45)
    axes.set_ylim(len(found) - 0.45, -0.55)
    axes.set_xticks(range(len(where.values)), ["none" if v is None else plain(v) for v in where.values])
    axes.set_yticks(range(len(found)), [context.looks[name].label for name in found])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(str(context.option("x_label", "learning rate" if x == "lr" else x)))
