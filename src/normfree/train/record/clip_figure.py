"""The figure of what clipping did in one run. Needs matplotlib, so it is imported when it is drawn."""

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from normfree.runs.clip_record import ClipRecord, draw_heat_map, stage_label

_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.frameon": False,
}


def draw_clipping(record: ClipRecord, threshold: float, path: Path, of: str = "|g| / |p|") -> None:
    """Heat map, share by stage, distribution of what has a threshold and the ten most clipped layers, as a PNG file."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 6.4), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(2, 2, width_ratios=(1.15, 1.0))
        heat: Axes = grid[0, 0]
        image = draw_heat_map(heat, record.steps, *record.map())
        heat.set_title("Share of units clipped, by depth")
        figure.colorbar(image, ax=heat, pad=0.02, fraction=0.06)
        _draw_stages(grid[0, 1], record)
        _draw_ratios(grid[1, 0], record, threshold, of)
        _draw_most_clipped(grid[1, 1], record)
        figure.suptitle(path.parent.name, fontsize=7, color="#6f6f6f", x=0.995, ha="right")
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        figure.savefig(beside, format="png", dpi=130)
        beside.replace(path)


def _draw_stages(axes: Axes, record: ClipRecord) -> None:
    shares = record.of_stages()
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.88, max(1, len(shares))))
    for (stage, share), colour in zip(shares.items(), colours, strict=True):
        axes.plot(record.steps, share, color=colour, linewidth=1.1, label=stage_label(stage))
    axes.plot(record.steps, record.overall, color="black", linewidth=1.6, label="all")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("step")
    axes.set_title("Share of units clipped, by stage")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, handlelength=1.2)


def _draw_ratios(axes: Axes, record: ClipRecord, threshold: float, of: str) -> None:
    low, lower, middle, upper, high = record.ratios.T
    axes.fill_between(record.steps, low, high, color="#0072B2", alpha=0.18, linewidth=0, label="5 to 95 % of units")
    axes.fill_between(record.steps, lower, upper, color="#0072B2", alpha=0.35, linewidth=0, label="25 to 75 %")
    axes.plot(record.steps, middle, color="#0072B2", linewidth=1.2, label="median")
    axes.axhline(threshold, color="#D55E00", linewidth=1.0, linestyle="--", label=f"clipped above {threshold:g}")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_title(f"{of} before clipping")
    axes.legend(loc="upper right", fontsize=7, ncols=2)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top * (top / bottom) ** 0.18)


def _draw_most_clipped(axes: Axes, record: ClipRecord) -> None:
    names, shares = zip(*record.most_clipped(), strict=True)
    places = range(len(names))
    axes.barh(places, shares, color="#0072B2", height=0.62)
    axes.set_yticks(places, names, fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    for place, share in zip(places, shares, strict=True):
        axes.text(share + 0.01, place, f"{share:.0%}", va="center", fontsize=7)
    axes.set_xlabel("share of units clipped, mean over the run")
    axes.set_title("The most clipped layers")
