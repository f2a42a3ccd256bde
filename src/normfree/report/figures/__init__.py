"""The kinds of panel. A kind is one file here with a `draw` function and is known by the file's name.

`draw(axes, context) -> None` fills one set of axes; `OPTIONS` are the keys of a panel it reads beside kind,
title, where and series; `marks(context)` names the marks it uses, for the legend that all panels share. `CAPTION`, or
`caption(context)`, is the text beneath it, in which `{level}` is the confidence level and `{measure}` what is shown.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from normfree.config.errors import UserError, nearest
from normfree.report.style import Look
from normfree.study import Arm, Measure, Panel, Series, Study, Value


@dataclass(frozen=True)
class Context:
    """What a panel is drawn from. `series` are those of the panel, in its order."""

    panel: Panel
    series: tuple[Series, ...]
    looks: dict[str, Look]
    study: Study

    @property
    def measure(self) -> Measure:
        """What the panel shows of its runs."""
        return self.study.measure(self.panel)

    def runs(self, one: Series) -> pd.DataFrame:
        """The runs of one series in the panel, by seed."""
        return self.study.runs(self.panel, one)

    def along(self) -> dict[str, dict[Value, Arm]]:
        """The arms of every series over the panel's factor `x`. Raises `UserError` where the panel names none."""
        self.required("x")
        return {one.name: self.study.along(self.panel, one) for one in self.series}

    def option(self, key: str, default: Any = None) -> Any:
        """One of the kind's own keys."""
        return self.panel.options.get(key, default)

    def required(self, key: str) -> str:
        """One of the kind's own keys, which has no default. Raises `UserError` where it is missing."""
        value = self.panel.options.get(key)
        if not isinstance(value, str):
            raise UserError(f"experiment.panels.{self.panel.name}: a panel of kind {self.panel.kind} needs `{key}`")
        return value


@dataclass(frozen=True)
class Kind:
    """A kind of panel: how to draw it, its keys, what its caption says, which marks the legend must explain, and its
    height in inches. `records` says what of the runs' own files it shows: `curves`, `clips` or none; a `wide` one takes
    all columns of a figure; `beside` are marks that a legend explains where another panel asks for one; `about` is one
    sentence. `draws_runs` is False where it shows the trials of a search.
    """

    draw: Callable[[Axes, Context], None]
    options: frozenset[str]
    caption: Callable[[Context], str]
    marks: Callable[[Context], tuple[str, ...]]
    height: Callable[[Context], float]
    records: str = ""
    wide: bool = False
    about: str = ""
    draws_runs: bool = True
    beside: tuple[str, ...] = ()


@cache
def kinds() -> dict[str, Kind]:
    """All kinds by name: one for each module of this package."""
    found = {}
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        if not module.startswith("_"):
            part = import_module(f"{__name__}.{module}")
            found[module] = Kind(
                part.draw, frozenset(part.OPTIONS), _caption(part), part.marks, _height(part),
                getattr(part, "RECORDS", ""), getattr(part, "WIDE", False), " ".join((part.__doc__ or "").split()),
                getattr(part, "DRAWS_RUNS", True), getattr(part, "BESIDE", ()),
            )  # fmt: skip
    return found


def _caption(part: ModuleType) -> Callable[[Context], str]:
    return getattr(part, "caption", lambda _: str(part.CAPTION))


def _height(part: ModuleType) -> Callable[[Context], float]:
    return getattr(part, "height", lambda _: float(part.HEIGHT))


def kind_of(panel: Panel) -> Kind:
    """The kind of a panel. Raises `UserError` for an unknown kind, or a key that the kind does not read."""
    known = kinds()
    place = f"experiment.panels.{panel.name}"
    if panel.kind not in known:
        listed = ", ".join(known)
        raise UserError(f"{place}.kind={panel.kind}: no such kind{nearest(panel.kind, known)}; there are: {listed}")
    kind = known[panel.kind]
    for key in panel.options:
        if key not in kind.options:
            every = {*kind.options, "title", "where", "series"}
            raise UserError(f"{place}.{key}: no such key of kind {panel.kind}{nearest(key, every)}")
    return kind
