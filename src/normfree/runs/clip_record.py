"""``clip.csv`` of a run: what a clipper by units did to each layer, and how that is drawn.

A row is a layer at a step, in the order of depth; the row named `ALL` with depth -1 is all of them together. The
ratio of a unit is clipped above the threshold: with AGC ``|g| / max(|p|, eps)``, with AdaGC ``|g|`` over its average
(in warm-up ``max_ratio`` times the norm of all over ``max_norm``), with clipping by tensors ``|g|``. Its quantiles are
over the units of the row.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (5, 25, 50, 75, 95)
COLUMNS = ("step", "depth", "stage", "layer", "units", "clipped", *(f"ratio_q{share:02d}" for share in QUANTILES))
ALL = "all"

_Floats = NDArray[np.float64]


def stage_word(stage: str) -> str:
    """How a stage is called in the names of numbers: ``stage2``, ``stem`` or, where there are none, ``network``."""
    return f"stage{stage}" if stage.isdigit() else stage or "network"


@dataclass(frozen=True)
class ClipRecord:
    """What ``clip.csv`` holds.

    Attributes:
        steps: the recorded steps, ``[S]``.
        layers, stages: of each layer, from the input to the output, ``[L]``.
        units: of each layer, ``[L]``.
        share: of the units that were clipped, ``[L, S]``; NaN where a layer had no gradient.
        overall: the same over all layers, ``[S]``.
        ratios: quantiles of |g| / |p| over all units, ``[S, Q]``.
    """

    steps: _Floats
    layers: tuple[str, ...]
    stages: tuple[str, ...]
    units: _Floats
    share: _Floats
    overall: _Floats
    ratios: _Floats

    def of_stages(self) -> dict[str, _Floats]:
        """Share of units clipped in each stage, ``[S]``, in the order of depth."""
        found = {}
        for stage in dict.fromkeys(self.stages):
            here = np.array([one == stage for one in self.stages])
            share, units = self.share[here], self.units[here, None] * np.isfinite(self.share[here])
            found[stage] = np.nansum(share * units, axis=0) / np.maximum(units.sum(0), 1)
        return found

    def most_clipped(self, count: int = 10) -> list[tuple[str, float]]:
        """The layers with the largest share of units clipped, over all recorded steps.

        Scalars of the same name, such as the skip gains of all blocks, count as one.
        """
        shares: dict[str, list[_Floats]] = {}
        scalars = self._scalars()
        for layer, share in zip(self.layers, self.share, strict=True):
            shares.setdefault(scalars.get(layer, layer), []).append(share)
        found = []
        for name, lines in shares.items():
            seen = np.concatenate(lines)
            mean = float(np.nansum(seen) / max(1, np.isfinite(seen).sum()))
            found.append((f"{name} ({len(lines)})" if len(lines) > 1 else name, mean))
        return sorted(found, key=lambda one: -one[1])[:count]

    def map(self) -> tuple[_Floats, list[str]]:
        """Lines of the heat map ``[L, S]`` and the group of each: the stages in depth, then the scalars by name."""
        scalars = self._scalars()
        groups = [scalars.get(layer, stage_label(stage)) for layer, stage in zip(self.layers, self.stages, strict=True)]
        order = sorted(range(len(groups)), key=lambda index: (self.layers[index] in scalars, index))
        return self.share[order], [groups[index] for index in order]

    def _scalars(self) -> dict[str, str]:
        """Layers of one unit that share their last name, such as ``skip_gain``, and that name."""
        last = [layer.rpartition(".")[2] for layer, units in zip(self.layers, self.units, strict=True) if units == 1]
        return {
            layer: name
            for layer, units in zip(self.layers, self.units, strict=True)
            if units == 1 and last.count(name := layer.rpartition(".")[2]) > 1
        }


def read_clip_record(source: Path | str) -> ClipRecord | None:
    """The record, or None where there is none.

    Args:
        source: the file, or its content.

    Raises:
        ValueError: it is damaged.
    """
    try:
        text = source if isinstance(source, str) else source.read_text(encoding="utf-8")
    except OSError:
        return None
    except ValueError as error:
        raise ValueError(f"clip.csv: no record of clipping ({error})") from error
    try:
        return _read(text)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"clip.csv: no record of clipping ({error})") from error


def _read(text: str) -> ClipRecord | None:
    rows = [row for row in csv.DictReader(io.StringIO(text, newline="")) if None not in row.values()]
    if not rows:
        return None
    steps = sorted({int(row["step"]) for row in rows})
    named = {int(row["depth"]): row for row in rows if row["layer"] != ALL}
    if not named:
        return None
    column = {step: index for index, step in enumerate(steps)}
    line = {depth: index for index, depth in enumerate(sorted(named))}
    share = np.full((len(line), len(steps)), np.nan)
    overall = np.full(len(steps), np.nan)
    ratios = np.full((len(steps), len(QUANTILES)), np.nan)
    for row in rows:
        at, value = column[int(row["step"])], int(row["clipped"]) / max(1, int(row["units"]))
        if row["layer"] == ALL:
            overall[at] = value
            ratios[at] = [float(row[f"ratio_q{quantile:02d}"] or np.nan) for quantile in QUANTILES]
        else:
            share[line[int(row["depth"])], at] = value
    deep = [named[depth] for depth in sorted(named)]
    return ClipRecord(
        steps=np.array(steps, dtype=float),
        layers=tuple(row["layer"] for row in deep),
        stages=tuple(row["stage"] for row in deep),
        units=np.array([float(row["units"]) for row in deep]),
        share=share,
        overall=overall,
        ratios=ratios,
    )


def stage_label(stage: str) -> str:
    """How a figure calls a stage."""
    return f"stage {stage}" if stage.isdigit() else stage or "network"


def draw_heat_map(axes: Any, steps: _Floats, lines: _Floats, groups: list[str]) -> Any:
    """Depth over step, coloured by the share of units clipped; returns what a colour bar is made of.

    Args:
        axes: of matplotlib.
        steps: ``[S]``, evenly spaced but for the last.
        lines, groups: as `ClipRecord.map` gives them.
    """
    first = 2 * steps[0] - steps[1] if len(steps) > 1 else steps[0] - 1
    edges = np.concatenate([[max(0.0, first)], steps])
    image = axes.pcolormesh(edges, np.arange(len(lines) + 1), lines, cmap="viridis", vmin=0, vmax=1)
    image.set_rasterized(True)
    starts = [index for index in range(len(groups)) if index == 0 or groups[index] != groups[index - 1]]
    ends = [*starts[1:], len(groups)]
    for start in starts[1:]:
        axes.axhline(start, color="white", linewidth=1.2)
    axes.set_yticks([(start + end) / 2 for start, end in zip(starts, ends, strict=True)])
    axes.set_yticklabels([groups[start].replace("_", " ") for start in starts])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlabel("step")
    return image
