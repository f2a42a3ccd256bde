"""Heat map, depth over step: the share of a layer's units that adaptive gradient clipping scaled down."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from normfree.report.figures import Context
from normfree.report.style import GREY
from normfree.runs.clip_record import ClipRecord, draw_heat_map, read_clip_record
from normfree.study import select

OPTIONS = ()
HEIGHT = 2.9
CAPTION = (
    "Share of units clipped (colour, 0 to 1) by depth and step, the mean over the panel's runs; scalars such as the "
    "skip gains are below the layers. Runs of another network or another number of steps than the first are left out."
)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series: nothing."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with the mean of the panel's runs; say so where none recorded its clipping."""
    records = _records(context)
    if not records:
        axes.text(0.5, 0.5, "no clip.csv in these runs", color=GREY, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    lines = np.stack([record.map()[0] for record in records])
    seen = np.isfinite(lines).sum(0)
    mean = np.where(seen > 0, np.nansum(lines, axis=0) / np.maximum(seen, 1), np.nan)
    image = draw_heat_map(axes, records[0].steps, mean, records[0].map()[1])
    axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.06)


def _records(context: Context) -> list[ClipRecord]:
    """Of the runs that match the panel and one of its series, those like the first."""
    panel, collection = context.panel, context.collection
    table = select(collection.table, panel.where, f"experiment.panels.{panel.name}.where")
    found: list[ClipRecord] = []
    for one in context.series:
        runs = select(table, one.where, f"experiment.series.{one.name}.where")
        for run_id in sorted(runs.loc[runs["status"] != "damaged", "run_id"].astype(str)):
            record = read_clip_record(collection.directory / run_id / "clip.csv")
            if record is None:
                continue
            if not found or (record.layers == found[0].layers and np.array_equal(record.steps, found[0].steps)):
                found.append(record)
    return found
