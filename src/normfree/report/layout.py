"""Panels on a page: single figures of one column, the main figure of two, and the legend that all panels
share.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from normfree.report.caption import LETTERS, caption_of
from normfree.report.figures import Context, kind_of
from normfree.report.style import (
    COLUMN,
    GREY,
    INK,
    ONE_COLUMN,
    PAGE,
    SHAPES,
    TWO_COLUMNS,
    Look,
    encode,
    looks,
    new_figure,
    paper_style,
)
from normfree.study import Panel, Study
from normfree.study.stored import stored_clip_records

LEGEND_OF_FOUR = 5.0
"""Inches of width from which a legend may have four columns."""
_HANDLE, _LETTER = 0.45, 0.05
"""Inches that a mark of the legend takes, and about those of a letter."""


@dataclass(frozen=True)
class Drawing:
    """One figure in all its formats (png, pdf, svg), with its caption."""

    name: str
    title: str
    caption: str
    files: dict[str, bytes]


def draw_all(study: Study) -> list[Drawing]:
    """The main figure first, then every panel by itself."""
    with paper_style():
        return [_drawing(name, title, shown, _page(shown, columns)) for name, title, shown, columns in _figures(study)]


def paper_files(study: Study, size: str) -> dict[str, bytes]:
    """All figures at the width of a column or of a page of a paper, with captions as texts, which say what a panel
    alone is; panels beside others have their titles.
    """
    files: dict[str, bytes] = {}
    with paper_style():
        for name, title, contexts, columns in _figures(study):
            page = Page(1, COLUMN, False) if size == "column" else Page(columns, PAGE, False)
            drawing = _drawing(name, title, contexts, page)
            files |= {f"paper/{name}-{size}.{kind}": content for kind, content in drawing.files.items()}
            files[f"paper/{name}-{size}.txt"] = f"{drawing.title}. {drawing.caption}\n".encode()
    return files


@dataclass(frozen=True)
class Page:
    """How a figure stands on one: columns of panels, width in inches, and whether a panel alone has a title."""

    columns: int
    width: float
    titled: bool = True


def _figures(study: Study) -> list[tuple[str, str, list[Context], int]]:
    """Name, title, panels and columns of every figure."""
    contexts = {panel.name: _context(panel, study) for panel in study.experiment.panels}
    main = [contexts[name] for name in study.experiment.figure]
    found = [("main", "Main figure", main, min(2, len(main)))] if main else []
    return [*found, *((name, context.panel.title, [context], 1) for name, context in contexts.items())]


def _context(panel: Panel, study: Study) -> Context:
    kind_of(panel)
    return Context(panel, study.series_of(panel), looks(study.series), study)


def _drawing(name: str, title: str, contexts: Sequence[Context], page: Page) -> Drawing:
    caption = caption_of(contexts)
    if files := _as_stored(name, contexts, page):
        return Drawing(name, title, caption, files)
    columns = min(page.columns, len(contexts))
    rows = _rows(contexts, columns)
    entries = _legend(contexts)
    heights = [max(_height(contexts[index], page) for index in row) for row in rows]
    legend_columns = _legend_columns(entries, page.width)
    figure = new_figure(page.width, sum(heights) + 0.16 * math.ceil(len(entries) / legend_columns) + 0.1)
    grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
    for row, indices in enumerate(rows):
        for column, index in enumerate(indices):
            context = contexts[index]
            # Alone in its row, a panel leaves none of it empty.
            axes = figure.add_subplot(grid[row, :] if len(indices) == 1 else grid[row, column])
            kind_of(context.panel).draw(axes, context)
            if len(contexts) > 1:
                letters = 42 if len(indices) == page.columns else 90
                axes.set_title(textwrap.fill(f"{LETTERS[index]}  {context.panel.title}", letters))
            elif page.titled:
                axes.set_title(textwrap.fill(context.panel.title, 42))
    _add_legend(figure, entries, legend_columns)
    return Drawing(name, title, caption, encode(figure))


def _rows(contexts: Sequence[Context], columns: int) -> list[list[int]]:
    """The panels of each row; a wide one has a row of its own."""
    rows: list[list[int]] = []
    room = 0
    for index, context in enumerate(contexts):
        wide = kind_of(context.panel).wide
        if wide or room == 0:
            rows.append([])
            room = columns
        rows[-1].append(index)
        room = 0 if wide else room - 1
    return rows


def _page(contexts: Sequence[Context], columns: int) -> Page:
    wide = columns > 1 or any(kind_of(context.panel).wide for context in contexts)
    return Page(columns, TWO_COLUMNS if wide else ONE_COLUMN)


def _height(context: Context, page: Page) -> float:
    height = kind_of(context.panel).height(context)
    return height if page.titled else height - 0.15


def _as_stored(name: str, contexts: Sequence[Context], page: Page) -> dict[str, bytes]:
    """The files of a stored figure that shows records of runs which are kept nowhere; none for any other."""
    collection = contexts[0].study.collection
    if not collection.is_stored or not any(_lacks_records(context) for context in contexts):
        return {}
    paths = {kind: collection.directory / "figures" / f"{name}.{kind}" for kind in ("png", "pdf", "svg")}
    if not page.titled or not all(path.is_file() for path in paths.values()):
        return {}
    return {kind: path.read_bytes() for kind, path in paths.items()}


def _lacks_records(context: Context) -> bool:
    """Whether a stored report has nothing of what this panel shows of the records of its runs."""
    kind, study = kind_of(context.panel), context.study
    if kind.records == "curves":
        y = str(context.option("y"))
        return not any(column == y for _, column, _ in study.collection.stored_curves or ())
    return kind.records == "clips" and not stored_clip_records(study.collection.directory)


def _legend(contexts: Sequence[Context]) -> list[Line2D | ErrorbarContainer]:
    """Series that appear, in the order of the file, then the marks in grey."""
    marks = {mark for context in contexts for mark in kind_of(context.panel).marks(context)}
    if not marks:
        return []
    marks |= {mark for context in contexts for mark in kind_of(context.panel).beside}
    marked = [context for context in contexts if kind_of(context.panel).marks(context)]
    of_runs = [context for context in marked if kind_of(context.panel).draws_runs]
    shown = {one.name for context in of_runs for one in context.series if len(context.runs(one))}
    line = bool({"mean", "alone", "line", "frontier"} & marks)
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
    if "alone" in marks:
        entries.append(Line2D([], [], marker="s", color=GREY, linestyle="", ms=3.6, label="the only seed"))
    if "trial" in marks:
        entries.append(Line2D([], [], marker=".", ms=5, mew=0, label="one trial", color=GREY, linestyle=""))
    if "pruned" in marks:
        entries.append(
            Line2D([], [], label="pruned", color=GREY, linestyle="", marker="o", ms=2.8, mew=0.7, mfc="white")
        )
    if "chance" in marks:
        entries.append(Line2D([], [], color=GREY, linewidth=0.6, linestyle=(0, (3, 2)), label="chance level"))
    for name, size, width in (("diverged", 4.2, 1.1), ("untrained", 3.8, 0.8), ("not reached", 3.8, 0.8)):
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


def _legend_columns(entries: Sequence[Line2D | ErrorbarContainer], width: float) -> int:
    """As many as there is room for."""
    lengths = [len(str(one.get_label())) for one in entries]
    for columns in range(4 if width > LEGEND_OF_FOUR else 2, 1, -1):
        parts = np.array_split(np.array(lengths), columns)
        if sum(_HANDLE + _LETTER * max(part, default=0) for part in parts) <= width:
            return columns
    return 1


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
