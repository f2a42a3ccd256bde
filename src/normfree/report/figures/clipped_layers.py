"""Heat map, depth over step: the share of a layer's units that adaptive gradient clipping scaled down."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from normfree.report.figures import Context
from normfree.report.records import clip_record
from normfree.report.style import GREY
from normfree.runs.clip_record import ClipRecord, draw_heat_map

OPTIONS = ()
RECORDS = "clips"
HEIGHT = 2.9
CAPTION = (
    "Share of units clipped (colour, 0 to 1) by depth and step, the mean over the panel's runs; scalars such as the "
    "skip gains are below the layers. Of the classifier AGC clips the bias alone, as one unit, unless clip.scope says "
    "more. A run that ended early counts up to its end. Runs of another network or other recorded steps than the first "
    "or without a record are left out, and the panel says how many are not."
)


def marks(_: Context) -> tuple[str, ...]:
    """What the legend must explain beside the series: nothing."""
    return ()


def draw(axes: Axes, context: Context) -> None:
    """Fill the axes with the mean of the panel's runs; say so where none recorded its clipping."""
    records, asked = _records(context)
    if not records:
        axes.text(0.5, 0.5, "no clip.csv in these runs", color=GREY, ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    longest = max(records, key=lambda record: len(record.steps))
    lines = np.stack([_padded(record, len(longest.steps)) for record in records])
    seen = np.isfinite(lines).sum(0)
    mean = np.where(seen > 0, np.nansum(lines, axis=0) / np.maximum(seen, 1), np.nan)
    if len(records) < asked:
        axes.annotate(
            f"{len(records)} of {asked} runs", (1, 1), xycoords="axes fraction", xytext=(0, 2),
            textcoords="offset points", ha="right", va="bottom", fontsize=6, color=GREY,
        )  # fmt: skip
    image = draw_heat_map(axes, longest.steps, mean, named_groups(longest))
    axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.06, label="share of units clipped")


def named_groups(record: ClipRecord) -> list[str]:
    """The group of each line; a head that is one unit of the classifier is its bias, whose weight AGC leaves alone."""
    head = [
        (layer, units) for layer, stage, units in zip(record.layers, record.stages, record.units, strict=True)
        if stage == "head"
    ]  # fmt: skip
    bias = len(head) == 1 and head[0] == ("classifier", 1)
    return ["classifier bias" if bias and group == "head" else group for group in record.map()[1]]


def _padded(record: ClipRecord, steps: int) -> NDArray[np.float64]:
    """Its lines, `[L, S]`, NaN after its end."""
    lines, _ = record.map()
    return np.pad(lines, ((0, 0), (0, steps - lines.shape[1])), constant_values=np.nan)


def _agree(one: ClipRecord, other: ClipRecord) -> bool:
    """Whether they are of the same layers, and of the same steps until one ends."""
    shared = min(len(one.steps), len(other.steps))
    return one.layers == other.layers and np.array_equal(one.steps[:shared], other.steps[:shared])


def _records(context: Context) -> tuple[list[ClipRecord], int]:
    """Of the runs that match the panel and one of its series, those that agree with the first, and how many match."""
    found: list[ClipRecord] = []
    longest, asked = None, 0
    for one in context.series:
        runs = context.runs(one)
        asked += len(runs)
        for run_id in sorted(runs.loc[runs["status"] != "damaged", "run_id"].astype(str)):
            record = clip_record(context.study, run_id)
            if record is None or (longest is not None and not _agree(record, longest)):
                continue
            found.append(record)
            # The others are as it is, as far as they go.
            longest = record if longest is None or len(record.steps) > len(longest.steps) else longest
    return found, asked
