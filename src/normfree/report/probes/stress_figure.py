"""The training loss of a stress test over its rising learning rate, a colour an arm, a line a seed."""

from __future__ import annotations

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from normfree.report.style import INK, MARKERS, PALETTE, TWO_COLUMNS, Look, encode, new_figure, paper_style


def draw_stress(table: pd.DataFrame) -> dict[str, bytes]:
    """The figure as png, pdf and svg from the columns model, clip, label, seed, lr, loss and broke."""
    arms = list(table.groupby(["model", "label", "clip"], sort=False))
    with paper_style():
        figure = new_figure(TWO_COLUMNS, 2.9)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        top = float(table.loc[table["broke"] == "", "loss"].max()) * 1.15 if (table["broke"] == "").any() else 1.0
        entries = []
        for place, (names, arm) in enumerate(arms):
            look = Look(", ".join(map(str, names[:2])), PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)])
            for _, stages in arm.groupby("seed"):
                whole = stages[stages["broke"] == ""]
                axes.plot(
                    whole["lr"], whole["loss"], look.marker, linestyle="-", color=look.colour, ms=look.size(2.6),
                    mec="white", mew=look.edge, linewidth=0.9, zorder=3,
                )  # fmt: skip
                broken = stages.loc[stages["broke"] != "", "lr"]
                shift = 0.97 - 0.03 * place
                axes.plot(broken, [top * shift] * len(broken), "x", color=look.colour, ms=4.5, mew=1.1, zorder=4)
            entries.append(Line2D([], [], color=look.colour, marker=look.marker, ms=look.size(3.6), mec="white",
                                  mew=look.edge, label=look.label))  # fmt: skip
        axes.set_ylim(0, top)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("learning rate of the stage")
        axes.set_ylabel("training loss (nats)")
        entries.append(Line2D([], [], color=INK, marker="x", ms=4.5, linestyle="", label="broke"))
        figure.legend(handles=entries, loc="outside lower center", ncols=min(3, len(entries)), labelcolor=INK)
        return encode(figure)
