"""Logarithmic y axes whose labels are plain text, as no label of a figure is read as mathematics."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PLAIN = 3
"""Powers of ten up to this far from 1 are written out."""


def power(exponent: int) -> str:
    """Ten to this power: `10⁻¹²`, and `1`."""
    return f"10{str(exponent).translate(_RAISED)}" if exponent else "1"


def log_axis(axes: Axes) -> None:
    """Make the y axis logarithmic; call it when its limits are known.

    Ticks are powers of ten, with 2 and 5 between them where there are few.
    """
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    few = high < 200 * low
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=7))
    axes.yaxis.set_major_formatter(FuncFormatter(_label))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if few:
        axes.yaxis.set_minor_locator(NullLocator())


def _label(value: float, _: object) -> str:
    if value <= 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)
    if abs(exponent) <= _PLAIN:
        return f"{value:g}"
    return power(exponent) if math.isclose(value, 10.0**exponent) else f"{value:.0e}"
