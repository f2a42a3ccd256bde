"""A contact sheet of the most confident mistakes."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from normfree.evaluate.findings import Drawn
from normfree.evaluate.predictions import Mistake
from normfree.report.style import GREY, INK, PALETTE, TWO_COLUMNS, encode, new_figure, paper_style

COLUMNS = 6
_WIDE = 20
"""Letters beneath an image."""


def draw_mistakes(mistakes: Sequence[Mistake], classes: Sequence[str]) -> Drawn:
    """Every image with what it is, what it is taken for and with what probability; pixels are enlarged as they are."""
    columns = min(COLUMNS, max(4, len(mistakes)))
    rows = math.ceil(len(mistakes) / columns)
    captions = [_caption(each, classes) for each in mistakes]
    lines = max(text.count("\n") + 1 for text in captions)
    with paper_style():
        figure = new_figure(TWO_COLUMNS, rows * (TWO_COLUMNS / columns * 0.94 + 0.13 * lines))
        for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
            axes.set_axis_off()
        for axes, each, text in zip(grid.flat, mistakes, captions, strict=False):
            pixels = each.pixels.transpose(1, 2, 0)
            grey = pixels.shape[2] == 1
            axes.imshow(pixels[..., 0] if grey else pixels, cmap="gray" if grey else None, vmin=0, vmax=255,
                        interpolation="nearest")  # fmt: skip
            axes.set_axis_on()
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set(visible=True, color=GREY, linewidth=0.5)
            axes.set_xlabel(text, fontsize=6.5, color=INK, labelpad=2)
            share = f"{100 * each.confidence:.1f} %"
            axes.text(0.97, 0.96, share, transform=axes.transAxes, ha="right", va="top", fontsize=6, color="white",
                      bbox={"facecolor": PALETTE[1], "edgecolor": "none", "pad": 1.2})  # fmt: skip
        files = encode(figure)
    caption = (
        "The surest of the wrong predictions, the surest first: the true class, what it is taken for, and beneath the "
        "image's place in the split. In the corner the probability of the prediction."
    )
    return Drawn("mistakes", "The most confident mistakes", caption, files, wide=True)


def _caption(mistake: Mistake, classes: Sequence[str]) -> str:
    told = f"{classes[mistake.label]} → {classes[mistake.prediction]}"
    return "\n".join([*textwrap.wrap(told, _WIDE)[:3], f"no. {mistake.index}"])
