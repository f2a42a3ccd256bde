"""Signal propagation plots: three panels over the depth of the networks, one colour a network.

Source of the plots: Brock et al. 2021 (arXiv 2101.08692), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
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
_DASHES = (0, (3.5, 2))


def draw_signal(table: pd.DataFrame) -> dict[str, bytes]:
    """The figure as png, pdf and svg from the columns model, block, stage, expected_var and those of `PANELS`."""
    names = list(dict.fromkeys(table["model"]))
    looks = {name: Look(name, PALETTE[i], MARKERS[i]) for i, name in enumerate(names)}
    parts = {name: table[table["model"] == name] for name in names}
    shared = shared_stages(table)
    with paper_style():
        figure = new_figure(TWO_COLUMNS, 2.42)
        for index, (column, title) in enumerate(PANELS.items()):
            axes = figure.add_subplot(1, len(PANELS), index + 1)
            axes.set_title(f"{'abc'[index]}  {title}")
            for block in shared or ():
                axes.axvline(block - 0.5, color=GREY, linewidth=0.5, alpha=0.6, linestyle=(0, (1, 2)), zorder=1)
            for name, part in parts.items():
                _network(axes, part, column, looks[name], [] if shared else first_blocks(part))
            _scale(axes, table[column].dropna(), int(table["block"].max()))
        entries: list[Line2D] = [
            Line2D([], [], color=look.colour, marker=look.marker, ms=look.size(3.6), mec="white", mew=look.edge,
                   label=look.label)
            for look in looks.values()
        ]  # fmt: skip
        if table["expected_var"].notna().any():
            entries.append(
                Line2D([], [], color=GREY, linewidth=0.9, linestyle=_DASHES, label="variance it is built for")
            )
        figure.legend(
            handles=entries, loc="outside lower center", ncols=len(entries), handlelength=2.2, columnspacing=1.4,
            labelcolor=INK, borderpad=0.2,
        )  # fmt: skip
        return encode(figure)


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


def _scale(axes: Axes, values: pd.Series[float], blocks: int) -> None:
    """A logarithm where values lie far apart; the same depth axis in every panel."""
    real = values[values > ROUNDING]
    if len(real) and real.max() > 30 * real.min():
        axes.set_ylim(0.6 * float(real.min()), 1.8 * float(real.max()))
        log_axis(axes)
    elif len(values):
        axes.set_ylim(0, 1.06 * float(values.max()))
    axes.set_xlim(-0.04 * blocks, 1.03 * blocks)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("block (0: stem)")
