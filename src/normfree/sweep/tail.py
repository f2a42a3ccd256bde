"""The rows of ``metrics.csv`` while a run writes them: what is new each time, whole rows alone, nothing written."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from normfree.host.files import open_regular

COLUMNS = ("train/loss", "train/accuracy", "validation/accuracy", "test/accuracy")
"""Of which curves are kept."""

MOST_POINTS = 4096
_AT_A_TIME = 2**22

Points = list[tuple[int, float]]
"""Step and value, finite ones alone."""


class Tail:
    """What a run has recorded so far.

    Attributes:
        step: of the last whole row; 0 before the first.
        last: the values of that row, by column.
        curves: column -> its points. Of many, every stretch keeps its lowest and its highest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def _begin(self) -> None:
        self.step = 0
        self.last: dict[str, float] = {}
        self.curves: dict[str, Points] = {name: [] for name in COLUMNS}
        self._columns: list[str] = []
        self._file: tuple[int, int] = (0, 0)
        self._read = 0
        self._rest = b""

    def look(self) -> bool:
        """Read what has come since; whether there is a new row. A file that was cut or replaced is read anew."""
        before = self.step
        with suppress(OSError), open_regular(self.path) as file:
            status = os.fstat(file.fileno())
            which = (status.st_dev, status.st_ino)
            if which != self._file or status.st_size < self._read:
                self._begin()
                self._file = which
            file.seek(self._read)
            while piece := file.read(_AT_A_TIME):
                self._read += len(piece)
                *lines, self._rest = (self._rest + piece).split(b"\n")
                self._take(lines)
        return self.step != before

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            fields = line.decode("utf-8", "replace").rstrip("\r").split(",")
            if not self._columns:
                self._columns = fields
            elif (row := dict(_numbers(self._columns, fields))) and (step := row.get("step", 0.0)) > 0:
                self.step, self.last = int(step), row
                for name, points in self.curves.items():
                    if math.isfinite(value := row.get(name, math.nan)):
                        points.append((self.step, value))
        for points in self.curves.values():
            if len(points) > MOST_POINTS:
                points[:] = _thinned(points)


def _numbers(columns: list[str], fields: list[str]) -> Iterator[tuple[str, float]]:
    """Nothing of a row that is not whole."""
    if len(fields) == len(columns):
        for name, text in zip(columns, fields, strict=True):
            with suppress(ValueError):
                yield name, float(text)


def _thinned(points: Points) -> Points:
    """The lowest and the highest of every four, in their order."""
    kept: Points = []
    for first in range(0, len(points), 4):
        stretch = points[first : first + 4]
        low, high = (choose(stretch, key=lambda point: point[1]) for choose in (min, max))
        kept += sorted({low, high})
    return kept
