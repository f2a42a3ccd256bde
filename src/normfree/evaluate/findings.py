"""What evaluators see and what they tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.evaluate.predictions import Mistake, Predictions

Change = Callable[["Tensor", Sequence[int]], "Tensor"]
"""uint8 ``[N, C, S, S]`` and the places of these images in their split -> the same, changed."""

CLEAN = "clean"
"""The condition in which nothing is changed."""


@dataclass(frozen=True)
class Judged:
    """A network's predictions.

    Attributes:
        name: of the network: ``raw``, ``ema``.
        found: condition -> predictions; `CLEAN` is always there.
        mistakes: the most confident of them on clean images, the surest first.
        classes: names.
        size: side of the images in pixels.
        facts: what else is known: ``published_top1``.
    """

    name: str
    found: Mapping[str, Predictions] = field(repr=False)
    mistakes: Sequence[Mistake] = field(repr=False)
    classes: Sequence[str] = field(repr=False)
    size: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def clean(self) -> Predictions:
        return self.found[CLEAN]


@dataclass(frozen=True)
class Table:
    """Rows of text; a column of numbers stands to the right."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    about: str = ""

    @property
    def numeric(self) -> list[bool]:
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.heads)
        return [bool(column) and all(_is_number(each) for each in column) for column in columns]


@dataclass(frozen=True)
class Drawn:
    """A figure in all its formats (png, pdf, svg), with its caption."""

    name: str
    title: str
    caption: str
    files: Mapping[str, bytes] = field(repr=False)
    wide: bool = False


@dataclass(frozen=True)
class Findings:
    """What an evaluator tells.

    Attributes:
        numbers: for evaluation.json.
        lines: what it comes to, a sentence each.
        files: further files of the folder, by name.
    """

    numbers: Mapping[str, Any]
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Drawn] = ()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").removesuffix(" %").strip() or "0")
    except ValueError:
        return False
    return True
