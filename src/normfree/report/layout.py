"""Panels on a page: single figures of one column, the main figure of two, and the legend that all panels
share.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normfree.report.figures import Context, kind_of
from normfree.report.style import (
    GREY,
    INK,
    ONE_COLUMN,
    SHAPES,
    TWO_COLUMNS,
    Look,
    encode,
    looks,
    new_figure,
    paper_style,
)
from normfree.study import Collection, Panel, Study
from normfree.study.measures import ACCURACY, label_of


@dataclass(frozen=True)
class Drawing:
    """One figure in all its formats (png, pdf, svg), with its caption."""

    name: str
    title: str
    caption: str
    files: dict[str, bytes]


def draw_all(study: Study) -> list[Drawing]:
    """The main figure first, then every panel by itself."""
    contexts = {panel.name: _context(panel, study) for panel in study.experiment.panels}
    drawings = []
    with paper_style():
        main = [contexts[name] for name in study.experiment.figure]
        if len(main) > 1:
            drawings.append(_drawing("main", "Main figure", main, 2))
        drawings += [_drawing(name, context.panel.title, [context], 1) for name, context in contexts.items()]
    return drawings


def _context(panel: Panel, study: Study) -> Context:
    kind_of(panel)
    series = study.series
    chosen = tuple(one for one in series if one.name in panel.series) if panel.series else series
    return Context(panel, chosen, looks(series), study)


def _drawing(name: str, title: str, contexts: Sequence[Context], columns: int) -> Drawing:
    rows = math.ceil(len(contexts) / columns)
    width = TWO_COLUMNS if columns > 1 else ONE_COLUMN
    entries = _legend(contexts)
    height = sum(
        max(kind_of(one.panel).height for one in contexts[row * columns : (row + 1) * columns]) for row in range(rows)
    )
    legend_columns = 4 if columns > 1 else 2
    figure = new_figure(width, height + 0.16 * math.ceil(len(entries) / legend_columns) + 0.1)
    for index, context in enumerate(contexts):
        axes = figure.add_subplot(rows, columns, index + 1)
        kind_of(context.panel).draw(axes, context)
        letter = f"{'abcdefghijklmnop'[index]}  " if len(contexts) > 1 else ""
        axes.set_title(textwrap.fill(letter + context.panel.title, 42))
    _add_legend(figure, entries, legend_columns)
    return Drawing(name, title, _caption(contexts), encode(figure))


def _legend(contexts: Sequence[Context]) -> list[Line2D | ErrorbarContainer]:
    """Series that appear, in the order of the file, then the marks in grey."""
    marks = {mark for context in contexts for mark in kind_of(context.panel).marks(context)}
    if not marks:
        return []
    shown = {one.name for context in contexts if kind_of(context.panel).marks(context) for one in context.series}
    line = bool({"mean", "line"} & marks)
    marker = not marks <= {"line", "diverged"}
    entries: list[Line2D | ErrorbarContainer] = [
        _series_entry(look, line, marker) for name, look in contexts[0].looks.items() if name in shown
    ]
    if "mean" in marks:
        level = f"{100 * contexts[0].study.experiment.level:g} %"
        dash = Line2D([], [], marker="s", color=GREY, linestyle="", ms=3.6)
        bar = LineCollection([], colors=GREY, linewidths=0.9)
        entries.append(ErrorbarContainer((dash, (), (bar,)), has_yerr=True, label=f"mean, {level} interval"))
        entries.append(Line2D([], [], marker=".", ms=4, mew=0, label="one seed", color=GREY, linestyle=""))
    if "chance" in marks:
        entries.append(Line2D([], [], color=GREY, linewidth=0.6, linestyle=(0, (3, 2)), label="chance level"))
    for name, size, width in (("diverged", 4.2, 1.1), ("untrained", 3.8, 0.8)):
        if name in marks:
            entries.append(
                Line2D(
                    [], [], label=name, color=GREY, linestyle="", marker=SHAPES[name], ms=size, mew=width, mfc="white"
                )
            )
    if "stalled" in marks:
        entries.append(
            Line2D([], [], label="stalled (open)", color=GREY, linestyle="", marker="o", ms=3.6, mew=0.8, mfc="white")
        )
    return entries


def _series_entry(look: Look, line: bool, marker: bool) -> Line2D:
    return Line2D(
        [], [], color=look.colour, linestyle="-" if line else "none",
        marker=look.marker if marker else "none",
        ms=look.size(4.2), mec="white", mew=look.edge, label=look.label,
    )  # fmt: skip


def _add_legend(figure: Figure, entries: list[Line2D | ErrorbarContainer], columns: int) -> None:
    if entries:
        figure.legend(
            handles=entries, loc="outside lower center", ncols=columns, handlelength=1.8, columnspacing=1.4,
            labelspacing=0.35, labelcolor=INK, borderpad=0.2,
        )  # fmt: skip


def _caption(contexts: Sequence[Context]) -> str:
    level = f"{100 * contexts[0].study.experiment.level:g} %"
    said: list[str] = []
    if len(contexts) > 1:
        letters = [f"({'abcdefghijklmnop'[i]}) {context.panel.title}" for i, context in enumerate(contexts)]
        said.append("; ".join(letters).rstrip("?.") + ".")
    for context in contexts:
        measure = label_of(str(context.option("measure", ACCURACY.name)))
        text = kind_of(context.panel).caption(context).format(level=level, measure=measure)
        if text not in said:
            said.append(text)
    if any("mean" in kind_of(context.panel).marks(context) for context in contexts):
        said.append(f"Planned are {_seeds(contexts[0].study.collection)} seeds an arm; arms.csv gives n of each.")
    return " ".join(said)


def _seeds(collection: Collection) -> str:
    planned = collection.table.groupby("arm_id").size()
    fewest, most = int(planned.min()), int(planned.max())
    return str(most) if fewest == most else f"{fewest} to {most}"
