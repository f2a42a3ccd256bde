"""Signal propagation plots: three panels over the depth of the networks, one colour a network.

Networks that differ by normaliser have a row of panels for what their statistics see, with the same axes.

Source of the plots: Brock et al. 2021 (arXiv 2101.08692), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from normfree.report.log_axis import log_axis
from normfree.report.style import (
    GREY,
    INK,
    MARKERS,
    PALETTE,
    TWO_COLUMNS,
    Look,
    encode,
    new_figure,
    paper_style,
)

PANELS = {
    "avg_sq_mean": "squared channel mean",
    "avg_var": "channel variance",
    "res_avg_var": "residual branch variance",
}
ROUNDING = 1e-12
"""Squared means under it are what float32 leaves of 0, and have no place on a logarithmic axis."""
MOST_ENTRIES = 4
"""Of a line of the legend."""
_DASHES = (0, (3.5, 2))


ROWS = {"batch": "statistics of the batch", "sample": "statistics of an image", "none": "no statistics"}
"""Values of the column ``sees`` -> how a row of panels is called."""


def draw_signal(table: pd.DataFrame) -> dict[str, bytes]:
    """The figure as png, pdf and svg from the columns model, block, stage, expected_var and those of `PANELS`.

    With a column ``sees``, one of `ROWS`, there is a row of panels for each of its values.
    """
    shared = shared_stages(table)
    parts = _rows(table)
    with paper_style():
        figure = new_figure(TWO_COLUMNS, 2.42 if len(parts) == 1 else 0.3 + 2.1 * len(parts))
        for place, (called, part, looks) in enumerate(parts):
            inside = figure if len(parts) == 1 else _part(figure, place, len(parts), called)
            for index, (column, title) in enumerate(PANELS.items()):
                axes = inside.add_subplot(1, len(PANELS), index + 1)
                if place == 0:
                    axes.set_title(f"{'abc'[index]}  {title}")
                for block in shared or ():
                    axes.axvline(block - 0.5, color=GREY, linewidth=0.5, alpha=0.6, linestyle=(0, (1, 2)), zorder=1)
                for name, look in looks.items():
                    one = part[part["model"] == name]
                    _network(axes, one, column, look, [] if shared else first_blocks(one))
                _scale(axes, table[column].dropna(), int(table["block"].max()), last=place == len(parts) - 1)
            _legend(inside, looks, bool(part["expected_var"].notna().any()))
        return encode(figure)


def _rows(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame, dict[str, Look]]]:
    """The rows of panels: how each is called, what it shows, and the looks of its networks."""
    kinds = [kind for kind in ROWS if kind in set(table["sees"])] if "sees" in table else []
    groups = [(f"{ROWS[kind]}", table[table["sees"] == kind]) for kind in kinds] or [("", table)]
    found = []
    for called, part in groups:
        names = list(dict.fromkeys(part["model"]))
        looks = {
            name: Look(name, PALETTE[i % len(PALETTE)], MARKERS[(i + i // len(PALETTE)) % len(MARKERS)])
            for i, name in enumerate(names)
        }
        found.append((called, part, looks))
    return found


def _part(figure: Figure, place: int, count: int, called: str) -> SubFigure:
    """A row of the figure, made with the first of them."""
    if not figure.subfigs:
        figure.subfigures(count, 1)
    part = figure.subfigs[place]
    part.supylabel(called, fontsize=7.5, color=INK)
    return part


def _legend(figure: Figure | SubFigure, looks: Mapping[str, Look], expected: bool) -> None:
    entries: list[Line2D] = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=look.size(3.6), mec="white", mew=look.edge,
               label=look.label)
        for look in looks.values()
    ]  # fmt: skip
    if expected:
        entries.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=_DASHES, label="variance it is built for"))
    figure.legend(
        handles=entries, loc="outside lower center", ncols=min(len(entries), MOST_ENTRIES), handlelength=2.2,
        columnspacing=1.4, labelcolor=INK, borderpad=0.2,
    )  # fmt: skip


def first_blocks(part: pd.DataFrame) -> list[int]:
    """The number of the first block of every stage."""
    return [int(block) for block in part.dropna(subset=["stage"]).groupby("stage")["block"].min()]


def shared_stages(table: pd.DataFrame) -> list[int] | None:
    """The first blocks of stages if all networks have the same, else None."""
    found = [first_blocks(part) for _, part in table.groupby("model")]
    return found[0] if all(one == found[0] for one in found) else None


def _network(axes: Axes, part: pd.DataFrame, column: str, look: Look, hollow: Sequence[int]) -> None:
    """Measured points, open at the blocks `hollow`, and beneath them what theory expects: 1 for a branch."""
    shown = part[part[column].notna()]
    many = len(part) > 45
    size = look.size(1.8 if many else 3.2)
    axes.plot(
        shown["block"], shown[column], color=look.colour, marker=look.marker, ms=size,
        mec="white", mew=0 if many else look.edge, linewidth=1.0, zorder=3,
    )  # fmt: skip
    opened = shown[shown["block"].isin(hollow)]
    axes.plot(
        opened["block"], opened[column], look.marker, mfc="white", mec=look.colour, mew=0.8, zorder=4,
        ms=look.size(2.2 if many else 3.2),
    )  # fmt: skip
    if column == "avg_sq_mean" or part["expected_var"].isna().all():
        return
    expected = part["expected_var"] if column == "avg_var" else (part["expected_var"] * 0 + 1)[part["block"] > 0]
    axes.plot(
        part["block"][expected.index], expected, color=look.colour, linewidth=0.8, linestyle=_DASHES, zorder=2,
        alpha=0.75,
    )  # fmt: skip


def _scale(axes: Axes, values: pd.Series[float], blocks: int, last: bool) -> None:
    """A logarithm where values lie far apart; the same depth axis in every panel, named in the last row."""
    real = values[values > ROUNDING]
    if len(real) and real.max() > 30 * real.min():
        axes.set_ylim(0.6 * float(real.min()), 1.8 * float(real.max()))
        log_axis(axes)
    elif len(values):
        axes.set_ylim(0, 1.06 * float(values.max()))
    axes.set_xlim(-0.04 * blocks, 1.03 * blocks)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if last:
        axes.set_xlabel("block (0: stem)")
