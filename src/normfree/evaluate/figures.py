"""Figures of predictions on clean images: the confusion of classes, and how far confidence can be relied on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from numpy.typing import NDArray

from normfree.evaluate.findings import Drawn
from normfree.evaluate.numbers import Bin, calibration_error, interval
from normfree.report.style import GREY, INK, ONE_COLUMN, PALE, PALETTE, encode, new_figure, paper_style

COUNTED, MOST = 25, 120
"""Up to so many classes every count is printed; of more than the second only the most confused are shown."""
SHOWN = 40
"""Of those."""
_BLUE = LinearSegmentedColormap.from_list("blue", ["#ffffff", "#cfe3f3", PALETTE[3], "#00304f"])
_LETTERS = 22


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str]) -> Drawn:
    """Shares of each true class by prediction; the shade grows with the square root, so that mistakes are seen.

    Args:
        counts: ``[K, K]``, rows are labels.
    """
    total, shown = len(names), np.arange(len(names))
    if total > MOST:
        shown = _most_confused(counts)
    part, labels = counts[np.ix_(shown, shown)], [_short(names[number]) for number in shown.tolist()]
    images = counts.sum(1)[shown]
    shares = part / np.maximum(images, 1)[:, None]
    count = len(shown)
    side = 3.4 if count <= 12 else 5.2 if count <= COUNTED else 7.0
    with paper_style():
        figure = new_figure(side + 0.55, side)
        axes = figure.add_subplot()
        drawn = axes.imshow(100 * shares, cmap=_BLUE, norm=PowerNorm(0.5, 0, 100), interpolation="nearest")
        for spine in axes.spines.values():
            spine.set_visible(True)
        axes.tick_params(length=0)
        size = 7 if count <= 12 else 6 if count <= 30 else min(6.0, max(2.6, 0.68 * side * 72 / count * 0.85))
        upright = count <= 12 and max(map(len, labels)) <= 3
        axes.set_xticks(range(count), labels, rotation=0 if upright else 90, fontsize=size)
        axes.set_yticks(range(count), labels, fontsize=size)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if count <= COUNTED:
            axes.set_xticks(np.arange(-0.5, count), minor=True)
            axes.set_yticks(np.arange(-0.5, count), minor=True)
            axes.grid(which="minor", color=PALE, linewidth=0.6)
            axes.tick_params(which="minor", length=0)
            for row, column in zip(*np.nonzero(part), strict=True):
                colour = "white" if shares[row, column] > 0.35 else INK
                axes.text(column, row, f"{part[row, column]:,}", ha="center", va="center", color=colour,
                          fontsize=6.5 if count <= 12 else 5)  # fmt: skip
        bar = figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.02, ticks=[0, 1, 5, 20, 50, 100])
        bar.set_label("share of the true class (%)")
        bar.outline.set_linewidth(0.6)
        files = encode(figure)
    which = f" Of {total} classes the {count} of the most frequent confusions." if count < total else ""
    numbers = " Numbers are images." if count <= COUNTED else ""
    caption = f"Each true class (row) by what it is taken for (column).{numbers}{which} The shade grows with the root."
    return Drawn("confusion", "Confusion of classes", caption, files, wide=count > 12)


def draw_reliability(bins: Sequence[Bin]) -> Drawn:
    """Accuracy by confidence, above it how many images have that confidence."""
    total, width = sum(each.images for each in bins), 100 / len(bins)
    middles = [100 * (each.low + each.high) / 2 for each in bins]
    with paper_style():
        figure = new_figure(ONE_COLUMN, 3.3)
        above, axes = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2.6])
        above.bar(middles, [100 * each.images / total for each in bins], width * 0.9, color=GREY)
        above.set_ylabel("images (%)")
        above.set_ylim(bottom=0)
        some = [each for each in bins if each.images]
        places = [100 * each.confidence for each in some]
        heights = [100 * each.accuracy for each in some]
        axes.bar([100 * (each.low + each.high) / 2 for each in some], heights, width * 0.9, color="#cfe3f3", zorder=1)
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.9, linestyle=(0, (4, 2)), zorder=2)
        ends = [interval(round(each.accuracy * each.images), each.images) for each in some]
        axes.vlines(
            places, [100 * low for low, _ in ends], [100 * high for _, high in ends], INK, linewidth=0.8, zorder=3
        )
        axes.plot(places, heights, "o", color=PALETTE[1], ms=3.8, mec="white", mew=0.5, zorder=4)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 102)
        axes.set_xlabel("confidence (%)")
        axes.set_ylabel("accuracy (%)")
        above.set_title(f"calibration error {100 * calibration_error(bins):.2f} %", fontweight="normal")
        files = encode(figure)
    caption = (
        f"Accuracy of the images of each of {len(bins)} bins of confidence, as bars and, at the mean confidence, as "
        "dots with 95 % intervals. On the dashed line confidence is what it says; a dot beneath it is overconfident. "
        "Above, the share of images; the expected calibration error is the mean distance over images (Guo et al. 2017)."
    )
    return Drawn("reliability", "Reliability of confidence", caption, files)


def _most_confused(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The classes of the most frequent confusions, in their order."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    found: dict[int, None] = {}
    for place in np.argsort(-wrong, axis=None, kind="stable"):
        pair = dict.fromkeys(map(int, divmod(int(place), len(counts))))
        if len(found | pair) > SHOWN:
            break
        found |= pair
    return np.array(sorted(found))


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
