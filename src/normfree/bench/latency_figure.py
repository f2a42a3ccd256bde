"""The NFNet paper's figure 1: published accuracy over the latency of a training step, measured here and published.

Source: Brock et al. 2021 (arXiv 2102.06171), figure 1; accuracies and latencies from its tables 2, 3 and 6.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from normfree.bench.selection import Row, fastest, training_rows
from normfree.nets.published import PUBLISHED, Published
from normfree.report.style import GREY, INK, MARKERS, PALETTE, TWO_COLUMNS, Look, encode, new_figure, paper_style

FAMILIES = {
    "nfnet_f": Look("NFNet", PALETTE[1], MARKERS[1]),
    "bn_nfnet_f": Look("NFNet with BatchNorm", PALETTE[0], MARKERS[0]),
    "efficientnet_b": Look("EfficientNet", PALETTE[3], MARKERS[2]),
    "resnet": Look("ResNet-50", PALETTE[2], MARKERS[3]),
}
_LETTERS = {"nfnet_f": "F", "bn_nfnet_f": "F", "efficientnet_b": "B", "resnet": ""}
_LABELS_BELOW = ("efficientnet_b", "bn_nfnet_f")
_HEIGHT = 3.0  # inches
_DASHED = (0, (4, 2))
_LEAST_RANGE = 8
"""Largest over least time on an axis."""


@dataclass(frozen=True)
class Point:
    """One network: milliseconds with their p10 and p90, and percent of top-1."""

    family: str
    label: str
    time: float
    top1: float
    low: float
    high: float


def draw_figure(rows: Sequence[Row], device: str | None = None) -> dict[str, bytes]:
    """The figure as png, svg and pdf.

    Args:
        rows: of the suite's file.
        device: whose training steps are drawn, if there are any; else those of the last row's.
    """
    there = training_rows(rows, device)
    measured = list(_measured(fastest(there)))
    with paper_style():
        figure = new_figure(TWO_COLUMNS, _HEIGHT)
        ours, theirs = figure.subplots(1, 2, sharey=True)
        _draw(ours, measured, filled=True)
        gpu, tpu = _published("gpu_ms"), _published("tpu_ms")
        _draw(theirs, gpu, filled=True)
        _draw(theirs, tpu, filled=False, labelled={(point.family, point.label) for point in gpu})
        batch = there[0]["batch"] if there else "0"
        images = f"{batch} image{'s' * (batch != '1')}"
        ours.set_title(f"Measured, {there[0]['device']}" if there else "Measured")
        theirs.set_title("Published, V100 and TPUv3")
        ours.set_xlabel(f"training step of {images}, fastest setting (ms)")
        theirs.set_xlabel("training step of 32 images a device (ms)")
        ours.set_ylabel("published ImageNet top-1 (%)")
        ours.set_ylim(76.2, 87.4)
        for axes in (ours, theirs):
            _log_axis(axes)
        if not measured:
            ours.text(
                0.5, 0.5, "none that the paper\nhas an accuracy of", transform=ours.transAxes, ha="center", color=GREY
            )
        kinds = [_handle(look) for look in FAMILIES.values()]
        ours.legend(handles=kinds, loc="lower right", labelcolor=INK, handlelength=1.6)
        theirs.legend(handles=_devices(), loc="lower right", labelcolor=INK, handlelength=2.6)
        return encode(figure)


def caption(rows: Sequence[Row], device: str | None = None) -> str:
    """What stands beneath the figure of these rows."""
    there = training_rows(rows, device)
    return _caption(there, list(_measured(fastest(there))))


def _measured(rows: Iterable[Row]) -> Iterable[Point]:
    for row in rows:
        family = _family(row["model"])
        if family is not None and row["model"] in PUBLISHED:
            published = PUBLISHED[row["model"]][0]
            times = (float(row[column]) for column in ("value", "p10", "p90"))
            yield _point(family, row["model"], published, *times)


def _published(column: str) -> list[Point]:
    found = []
    for name, rows in PUBLISHED.items():
        family = _family(name)
        for row in rows:
            time = getattr(row, column)
            if family is not None and time is not None:
                found.append(_point(family, name, row, time, time, time))
    return found


def _point(family: str, name: str, published: Published, time: float, low: float, high: float) -> Point:
    label = _LETTERS[family] + name.removeprefix(family) + "†" * bool(published.how)
    return Point(family, label, time, published.top1, low, high)


def _family(name: str) -> str | None:
    found = re.fullmatch(r"(\D+)\d+", name)
    return found[1] if found and found[1] in FAMILIES else None


def _draw(
    axes: Axes, points: Sequence[Point], filled: bool, labelled: Container[tuple[str, str]] = frozenset()
) -> None:
    for family, look in FAMILIES.items():
        own = sorted((point for point in points if point.family == family), key=lambda point: (point.label, point.time))
        if not own:
            continue
        axes.plot(
            [point.time for point in own], [point.top1 for point in own], marker=look.marker, color=look.colour,
            ms=look.size(4.6), mfc=look.colour if filled else "white", mec="white" if filled else look.colour,
            mew=look.edge if filled else 0.9, linestyle="-" if filled else _DASHED, linewidth=1.1, zorder=3,
        )  # fmt: skip
        axes.hlines(
            [point.top1 for point in own], [point.low for point in own], [point.high for point in own],
            color=look.colour, linewidth=1.8, alpha=0.5, zorder=2,
        )  # fmt: skip
        for point in own:
            if (family, point.label) in labelled or family == "resnet":
                continue
            below = family in _LABELS_BELOW or (len(own) > 1 and point is own[-1])
            axes.annotate(
                point.label, (point.time, point.top1), xytext=(5, -7) if below else (-4, 4),
                textcoords="offset points", ha="left" if below else "right", fontsize=6.5, color=look.dark, zorder=5,
            )  # fmt: skip


def _log_axis(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.1)
    low, high = axes.get_xlim()
    if high < _LEAST_RANGE * low:
        middle, half = (low * high) ** 0.5, _LEAST_RANGE**0.5
        axes.set_xlim(middle / half, middle * half)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}" if value < 1e3 else f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color="#ececea", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)


def _handle(look: Look) -> Line2D:
    return Line2D(
        [], [], color=look.colour, marker=look.marker, ms=look.size(4.6), mec="white", mew=0.5, label=look.label
    )


def _devices() -> list[Line2D]:
    common = {"color": INK, "marker": "o", "ms": 4.6}
    return [
        Line2D([], [], mec="white", mew=0.5, label="V100, float16", **common),  # type: ignore[arg-type]
        Line2D([], [], mfc="white", mew=0.9, linestyle=_DASHED, label="TPUv3", **common),  # type: ignore[arg-type]
    ]


def _caption(rows: Sequence[Row], measured: Sequence[Point]) -> str:
    told = [
        "Accuracy that the NFNet paper prints over the latency of a training step. Left: measured here, the fastest of "
        "memory formats, precisions and forms, bars from p10 to p90. Right: as the paper prints it."
    ]
    if any(point.label.endswith("†") for point in [*measured, *_published("tpu_ms")]):
        told.append("†: accuracy, and on the right latency, with SAM, which the measured step does not have.")
    names = dict.fromkeys(row["model"] for row in rows)
    timed = {row["model"] for row in rows if row["value"]}
    if unknown := [name for name in names if name in timed and (name not in PUBLISHED or _family(name) is None)]:
        told.append(f"No accuracy of {', '.join(unknown)} in the paper.")
    if slow := [name for name in names if name not in timed]:
        told.append(f"Not measured: {', '.join(slow)}.")
    return " ".join(told)
