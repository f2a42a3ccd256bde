"""Which runs trained, as a table of tiles: a row a series, a column a value, `k/n` in each, shaded by the
share.
"""

from __future__ import annotations

import re

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from normfree.report.axes import places, text_of, told
from normfree.report.figures import Context
from normfree.report.style import INK
from normfree.study.factor_names import label_of_factor

OPTIONS = ("x", "x_label")
CAPTION = (
    "Runs that trained, of those planned; the darker, the more. Beneath the count, what became of the "
    "others: ✕ diverged, "
    "△ untrained, ? no outcome yet."
)
_MANY = "The darker a tile, the larger the share of its planned runs that trained; there are too many for their counts."
_WIDE_TILES = 8
"""So many have room for a line of text each, and for labels side by side."""
_FEW_ROWS, _ROW = 4, 0.2
"""Rows that are given their height, as a share of the width."""
_EMPTY, _FULL = (1.0, 1.0, 1.0), (0.13, 0.44, 0.71)


def caption(context: Context) -> str:
    """What stands beneath the panel."""
    return _MANY if places(context.along().values()).many else CAPTION


def height(context: Context) -> float:
    """Inches of the panel, by its rows."""
    return min(2.2, 0.9 + 0.5 * len(context.series))


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with one tile an arm."""
    x = context.required("x")
    found = context.along()
    where = places(found.values())
    narrow = len(where.values) > _WIDE_TILES
    tiles: list[Rectangle] = []
    colours: list[tuple[float, ...]] = []
    for row, arms in enumerate(found.values()):
        for value, arm in arms.items():
            column = round(where.position(value) - (0.35 if value is None and len(where.values) > 1 else 0))
            share = arm.counts.trained / arm.counts.planned
            colour = tuple(e + (f - e) * share for e, f in zip(_EMPTY, _FULL, strict=True))
            tiles.append(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9))
            colours.append(colour)
            if where.many:
                continue
            failed = told(arm).rpartition("/")[0]
            if narrow:
                failed = re.sub(r"(?<=\d)(?=\D)", "\n", failed)
            ink = "white" if share > 0.55 else INK
            axes.text(
                column, row - (0.24 if "\n" in failed else 0.13 if failed else 0),
                f"{arm.counts.trained}/{arm.counts.planned}",
                ha="center", va="center", color=ink, fontsize=5.4 if narrow else 7,
            )  # fmt: skip
            if failed:
                axes.text(
                    column, row + 0.23, failed, ha="center", va="center", color=ink, linespacing=0.95,
                    fontsize=4.4 if narrow else 5.6 if len(failed) < 6 else 4.6,
                )  # fmt: skip
    axes.add_collection(PatchCollection(tiles, facecolors=colours, edgecolors="#c8c8c8", linewidths=0.5))
    axes.set_xlim(-0.55, len(where.values) - 0.45)
    axes.set_ylim(len(found) - 0.45, -0.55)
    if len(found) < _FEW_ROWS:
        # A few tiles would fill the room of many.
        axes.set_box_aspect(_ROW * len(found))
        axes.set_anchor("N")
    ticks = [where.values.index(value) for value in where.named]
    axes.set_xticks(ticks, [text_of(value) for value in where.named], rotation=90 if narrow else 0)
    axes.set_yticks(range(len(found)), [context.looks[name].label for name in found])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(str(context.option("x_label", label_of_factor(x))))
