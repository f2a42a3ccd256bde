"""What a normaliser gives over what it costs: accuracy of a study over the time of a training step measured here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from normfree.bench.selection import Row
from normfree.nets.normalizer_choice import Choice, choices
from normfree.nets.normalizer_measured import NETWORK, STRESS, STUDY
from normfree.nets.normalizer_prices import TWIN
from normfree.nets.normalizers import normalizer
from normfree.report.style import GREY, INK, MARKERS, PALETTE, TWO_COLUMNS, Look, encode, new_figure, paper_style

LOOKS = {
    "batch": Look("statistics of the batch", PALETTE[0], MARKERS[0]),
    "sample": Look("statistics of a sample", PALETTE[3], MARKERS[1]),
    "none": Look("without statistics", PALETTE[1], MARKERS[2]),
}
"""By what statistics see."""
_HEIGHT = 3.4  # inches
_PLACES = ((4, 3), (4, -8), (-4, 3), (-4, -8), (5, -2), (-5, -2), (4, 8), (-4, -13), (4, -13), (-4, 8))
"""Where a name may stand beside its mark, in points, the first that is free."""


def draw_figure(rows: Sequence[Row], study: Path = STUDY, stress: Path = STRESS) -> dict[str, bytes]:
    """The figure as png, svg and pdf; empty without rows of the study's network in both.

    Args:
        rows: of the suite's file.
        study: folder of a report, as `normfree.nets.normalizer_choice.choices` takes it.
    """
    priced = [one for one in choices(study, stress, rows) if "train" in one.price]
    drawn = [one for one in priced if one.accuracy]
    if not drawn:
        return {}
    with paper_style():
        figure = new_figure(TWO_COLUMNS, _HEIGHT)
        axes = figure.subplots()
        for one in drawn:
            _mark(axes, one)
        axes.axvline(1, color=GREY, linewidth=0.6, linestyle=(0, (4, 2)), zorder=1)
        axes.set_xscale("log", base=2)
        ticks = [0.9, 1, 1.2, 1.5, 2, 2.5, 3]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.margins(x=0.12, y=0.09)
        axes.grid(axis="y", color="#ececea", linewidth=0.6, zorder=0)
        axes.set_axisbelow(True)
        axes.set_xlabel("time of a training step, over BatchNorm's")
        axes.set_ylabel("test accuracy (%)")
        failed = [f"{one.title} {one.failed[0]}" for one in priced if not one.accuracy]
        if failed:
            axes.text(
                0.99, 0.02, "no mean, as seeds failed: " + "; ".join(failed), transform=axes.transAxes, ha="right",
                fontsize=6.5, color=GREY,
            )  # fmt: skip
        for look in LOOKS.values():
            axes.plot([], [], look.marker, color=look.colour, ms=look.size(4.6), label=look.label)
        axes.legend(loc="center right", labelcolor=INK)
        _name(figure, axes, drawn)
        return encode(figure)


def caption(rows: Sequence[Row], study: Path = STUDY, stress: Path = STRESS) -> str:
    """What stands beneath it."""
    drawn = [one for one in choices(study, stress, rows) if "train" in one.price and one.accuracy]
    seeds = sorted({one.n for one in drawn})
    return (
        f"{NETWORK} with each normaliser: test accuracy of {study}, mean and 95 % interval of "
        f"{' or '.join(map(str, seeds))} seeds at the rate that a screen chose, over the time of a training step "
        "beside BatchNorm's, median and quartiles of the rounds. NF's step is without clipping."
    )


def _look(one: Choice) -> Look:
    return LOOKS["none" if one.normalizer == TWIN else normalizer(one.normalizer).sees]


def _mark(axes: Axes, one: Choice) -> None:
    assert one.accuracy is not None
    look, (mean, low, high), (price, fast, slow) = _look(one), one.accuracy, one.price["train"]
    axes.errorbar(
        price, mean, xerr=[[price - fast], [slow - price]], yerr=[[mean - low], [high - mean]], color=look.colour,
        elinewidth=0.7, alpha=0.45, zorder=2,
    )  # fmt: skip
    axes.plot(price, mean, look.marker, color=look.colour, ms=look.size(4.6), mec="white", mew=look.edge, zorder=3)


def _name(figure: Figure, axes: Axes, drawn: Sequence[Choice]) -> None:
    """Beside each mark its name, where it meets no other mark and no other name, if there is such a place."""
    figure.draw_without_rendering()
    marks = [(one.price["train"][0], one.accuracy[0]) for one in drawn if one.accuracy]
    at = [axes.transData.transform(mark) for mark in marks]
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in at]
    for one, mark, (x, y) in zip(drawn, marks, at, strict=True):
        text = axes.annotate(one.title, mark, _PLACES[0], textcoords="offset points", fontsize=6.5, zorder=5)
        text.set_color(_look(one).dark)
        others = [box for box in taken if not box.contains(x, y)]
        boxes = {place: _placed(text, place) for place in _PLACES}
        met = {place: sum(box.overlaps(other) for other in others) for place, box in boxes.items()}
        taken.append(_placed(text, min(_PLACES, key=met.__getitem__)))


def _placed(text: Annotation, place: tuple[int, int]) -> Bbox:
    text.set_position(place)
    text.set_horizontalalignment("left" if place[0] > 0 else "right")
    return text.get_window_extent()
