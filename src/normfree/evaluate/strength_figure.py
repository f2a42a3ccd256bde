"""Accuracy over the strength of corruptions: a panel a family, a line a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from normfree.evaluate.findings import Drawn
from normfree.report.style import GREY, INK, MARKERS, PALETTE, TWO_COLUMNS, Look, encode, new_figure, paper_style


def draw_strengths(kinds: Mapping[str, tuple[str, Sequence[float]]], clean: float) -> Drawn:
    """
    Args:
        kinds: corruption -> its family and the accuracy in [0, 1] at strengths 1, 2, ...
        clean: accuracy without.
    """
    families = list(dict.fromkeys(family for family, _ in kinds.values()))
    worst = min(min(values) for _, values in kinds.values())
    with paper_style():
        figure = new_figure(TWO_COLUMNS, 2.7)
        grid = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
        for axes, family in zip(grid, families, strict=True):
            own = [(label, values) for label, (of, values) in kinds.items() if of == family]
            axes.axhline(100 * clean, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
            for place, (label, values) in enumerate(own):
                look = Look(label, PALETTE[place + 1], MARKERS[place])
                heights = [100 * clean, *(100 * value for value in values)]
                axes.plot(
                    range(len(heights)), heights, color=look.colour, marker=look.marker, ms=look.size(3.6),
                    mec="white", mew=look.edge, label=label, zorder=3 + place,
                )  # fmt: skip
            axes.set_title(family)
            axes.set_xticks(range(len(own[0][1]) + 1), ["0", *map(str, range(1, len(own[0][1]) + 1))])
            axes.set_xlabel("strength")
            axes.margins(y=0.08)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), labelcolor=INK, handlelength=1.6)
        grid[0].set_ylabel("accuracy (%)")
        grid[0].set_ylim(max(0, 100 * worst - 5) if worst > 0.5 else 0, 100.5)
        files = encode(figure)
    caption = (
        f"Accuracy on the same images by corruption and strength; 0 is the clean image ({100 * clean:.2f} %, dashed). "
        "After Hendrycks and Dietterich 2019, made here."
    )
    return Drawn("corruptions", "Accuracy over the strength of corruptions", caption, files, wide=True)
