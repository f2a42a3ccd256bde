"""What cutting a batch changes, as one panel: a column a cut, a marker a case, a logarithm with a place for zero."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from normfree.report.log_axis import power
from normfree.report.style import GREY, INK, MARKERS, PALE, PALETTE, TWO_COLUMNS, Look, encode, new_figure, paper_style

MEASURE = "update_difference"
BOUND = 1e-10
"""What tests/train/ranks/test_ranks.py demands of a network without BatchNorm."""
ROUNDING = 2.0**-52
"""Distance of 1 from the next number in float64."""
LOWEST = 1e-17
_ZERO = 10**-18.2
"""Where on the axis exact equality stands, under a gap."""
TIMES = "\N{MULTIPLICATION SIGN}"
_COLOURS = (3, 2, 1, 6, 4, 0, 5, 7)


def cut_label(devices: int, micro_batch: int, accumulation: int) -> str:
    """``2 × 12 × 2``; a device that accumulates nothing has no third number."""
    return f" {TIMES} ".join(map(str, (devices, micro_batch, accumulation)[: 3 if accumulation > 1 else 2]))


def is_whole(table: pd.DataFrame) -> pd.Series[bool]:
    """The rows of the batch in one piece on one device."""
    return (table["devices"] == 1) & (table["accumulation"] == 1)


def draw_cuts(table: pd.DataFrame) -> dict[str, bytes]:
    """The figure as png, pdf and svg.

    Columns: case, devices, micro_batch, accumulation and `MEASURE`; rows of the whole batch, to which the others are
    compared, have no marker.
    """
    shown = table[~is_whole(table)]
    cuts = list(dict.fromkeys(zip(shown["devices"], shown["micro_batch"], shown["accumulation"], strict=True)))
    cases = list(dict.fromkeys(table["case"]))
    with paper_style():
        figure = new_figure(TWO_COLUMNS, 2.75)
        axes = figure.add_subplot()
        _grounds(axes, [micro_batch for _, micro_batch, _ in cuts])
        axes.axhline(BOUND, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), zorder=2)
        axes.axhline(ROUNDING, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=2)
        for place, case in enumerate(cases):
            look = Look(case, PALETTE[_COLOURS[place % len(_COLOURS)]], MARKERS[place % len(MARKERS)])
            part = shown[shown["case"] == case]
            columns = [
                cuts.index(cut) for cut in zip(part["devices"], part["micro_batch"], part["accumulation"], strict=True)
            ]
            shift = 0.6 * ((place + 0.5) / len(cases) - 0.5)
            values = [value if value > 0 else _ZERO for value in part[MEASURE]]
            axes.plot(
                [column + shift for column in columns], values, look.marker, color=look.colour, ms=look.size(5),
                mec="white", mew=look.edge, label=look.label, zorder=4, clip_on=False,
            )  # fmt: skip
        _scale(axes, zero=bool((shown[MEASURE] == 0).any()))
        axes.set_xlim(-0.5, len(cuts) - 0.5)
        axes.xaxis.set_major_locator(FixedLocator(range(len(cuts))))
        axes.xaxis.set_major_formatter(FixedFormatter([cut_label(*cut) for cut in cuts]))
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel(f"devices {TIMES} images at a time {TIMES} accumulated, compared with {_of_the_whole(table)}")
        axes.set_ylabel("distance from the whole batch's\nweights (share of the way trained)")
        end = len(cuts) - 0.47
        axes.text(end, BOUND, f"{power(-10)}, the bound\nof the test", fontsize=6.5, va="center", color=INK)
        axes.text(end, ROUNDING, "rounding of float64", fontsize=6.5, va="center", color=GREY)
        figure.legend(loc="outside upper center", ncols=min(len(cases), 3), handletextpad=0.3, columnspacing=1.6)
        return encode(figure)


def _of_the_whole(table: pd.DataFrame) -> str:
    row = table[is_whole(table)].iloc[0]
    return cut_label(int(row["devices"]), int(row["micro_batch"]), 1)


def _grounds(axes: Axes, micro_batches: list[int]) -> None:
    """A pale ground behind every other group of cuts that have their micro batch in common, and its name above."""
    for number, size in enumerate(dict.fromkeys(micro_batches)):
        first = micro_batches.index(size)
        last = len(micro_batches) - 1 - micro_batches[::-1].index(size)
        if number % 2 == 0:
            axes.axvspan(first - 0.5, last + 0.5, color=PALE, zorder=0, linewidth=0)
        axes.text(
            (first + last) / 2, 1.02, f"micro batch {size}", transform=axes.get_xaxis_transform(), ha="center",
            va="bottom", fontsize=7, color=INK,
        )  # fmt: skip


def _scale(axes: Axes, zero: bool) -> None:
    axes.set_yscale("log")
    powers = range(round(math.log10(LOWEST)) + 1, 1, 4)
    ticks = {10.0**exponent: power(exponent) for exponent in powers}
    if zero:
        ticks = {_ZERO: "0 (equal)"} | ticks
        axes.axhline(LOWEST, color=GREY, linewidth=0.5, zorder=1)
    axes.set_ylim(10**-18.8 if zero else LOWEST, 6)
    axes.yaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.yaxis.set_major_formatter(FixedFormatter(list(ticks.values())))
    axes.yaxis.set_minor_locator(NullLocator())
