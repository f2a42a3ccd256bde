"""How figures look: one palette, one marker a series, sizes of one and two columns, no clock and no chance in
the bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from normfree.study import Series

ONE_COLUMN = 3.4  # inches
TWO_COLUMNS = 7.0  # inches
COLUMN, PAGE = 3.3, 6.9  # inches, of a paper
INK = "#262626"
GREY = "#8a8a8a"
PALE = "#f1f1ef"

# Okabe and Ito (2008), in an order that keeps neighbours apart in grey as well.
PALETTE = ("#000000", "#D55E00", "#009E73", "#0072B2", "#CC79A7", "#56B4E9", "#E69F00", "#8B6F47")
MARKERS = ("s", "o", "D", "v", "*", "p", "P", "h")
MARKS = {"diverged": "✕", "untrained": "△"}
"""What stands for a run that did not train, in figures, tables and the terminal."""
SHAPES = {"diverged": "x", "untrained": "^"}
"""The same as matplotlib's markers."""
_LARGER = {"*": 1.55, "P": 1.15, "p": 1.15, "h": 1.1, "D": 0.9}

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "normfree",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "path.simplify": False,
    "text.parse_math": False,  # a label is somebody's text
}
_THIN = ("*", "P")  # a white edge would eat them


@dataclass(frozen=True)
class Look:
    """Colour and marker of one series, the same in every figure of a report."""

    label: str
    colour: str
    marker: str

    def size(self, points: float) -> float:
        """Marker size that looks like a circle of `points`."""
        return points * _LARGER.get(self.marker, 1.0)

    @property
    def edge(self) -> float:
        """Width in points of the white edge that parts overlapping markers."""
        return 0.0 if self.marker in _THIN else 0.5

    @property
    def dark(self) -> str:
        """The colour, dark enough for small print."""
        red, green, blue = (0.68 * part for part in to_rgb(self.colour))
        return to_hex((red, green, blue))


def looks(series: Sequence[Series]) -> dict[str, Look]:
    """A look for each series, by its place in the experiment file; of more than eight, colours come again with other
    markers.
    """
    count = len(PALETTE)
    return {
        one.name: Look(one.label, PALETTE[i % count], MARKERS[(i + i // count) % len(MARKERS)])
        for i, one in enumerate(series)
    }


@contextmanager
def paper_style() -> Iterator[None]:
    """matplotlib's own defaults with this style, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, laid out by constraints; needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def encode(figure: Figure) -> dict[str, bytes]:
    """The figure as png (200 dpi), pdf and svg, without dates or versions in them."""
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
    }
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    # With another engine in its place, of the kind that does nothing, each saving would draw twice.
    figure.set_layout_engine(None)
    files = {}
    for kind, entries in metadata.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=200, metadata=entries)
        files[kind] = buffer.getvalue()
    return files
