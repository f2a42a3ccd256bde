"""The highest stable rates of a stress test with many arms: a row an arm, a dot a seed."""

from __future__ import annotations

from statistics import median

import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from normfree.report.style import GREY, INK, PALE, TWO_COLUMNS, encode, new_figure, paper_style

_ROW = 0.19
"""Inches."""


def highest_stable(stages: pd.DataFrame) -> float | None:
    """The highest rate of one training at which it had learned and did not break."""
    good = stages.loc[stages["learned"].astype(bool) & (stages["broke"] == ""), "lr"]
    return float(good.max()) if len(good) else None


def draw_rates(table: pd.DataFrame) -> dict[str, bytes]:
    """The figure as png, pdf and svg from the columns model, clip, label, seed, lr, learned and broke."""
    clipped_alike = table["label"].nunique() == 1
    arms = {
        ", ".join(map(str, names[: 1 if clipped_alike else 2])): [highest_stable(one) for _, one in arm.groupby("seed")]
        for names, arm in table.groupby(["model", "label", "clip"], sort=False)
    }
    known = {name: [rate for rate in rates if rate is not None] for name, rates in arms.items()}
    rows = sorted(arms, key=lambda name: -median(known[name] or [0.0]))
    with paper_style():
        figure = new_figure(TWO_COLUMNS, 0.6 + _ROW * len(rows))
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for row, name in enumerate(rows):
            if row % 2:
                axes.axhspan(row - 0.5, row + 0.5, color=PALE, zorder=0, linewidth=0)
            for rate in sorted(set(known[name])):
                times = known[name].count(rate)
                axes.plot([rate], [row], "o", ms=3.2 + 1.3 * (times - 1), color=GREY, mec="white", mew=0.5, zorder=3)
            if known[name]:
                axes.plot([median(known[name])] * 2, [row - 0.34, row + 0.34], color=INK, linewidth=1.4, zorder=4)
            missing = len(arms[name]) - len(known[name])
            if missing:
                told = f"{missing} of {len(arms[name])} learned at no rate"
                where = axes.get_yaxis_transform()
                axes.text(0.995, row, told, ha="right", va="center", transform=where, fontsize=6.3)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(float(table["lr"].min()), float(table["lr"].max()) * 1.05)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("highest stable learning rate")
        return encode(figure)
