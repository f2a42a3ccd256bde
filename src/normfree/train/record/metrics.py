"""``metrics.csv``: the record of a run, whatever other logger is asked for.

Scores are of the weights as trained; ``ema_`` are those of their moving average, blank where none is kept.
"""

import csv
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path

from normfree.host.files import write_lines_atomic
from normfree.runs.rows import RowFile

COLUMNS = (
    "step",
    "epoch",
    "lr",
    "train/loss",
    "train/accuracy",
    "validation/loss",
    "validation/accuracy",
    "validation/top5_accuracy",
    "validation/ema_loss",
    "validation/ema_accuracy",
    "validation/ema_top5_accuracy",
    "test/loss",
    "test/accuracy",
    "test/top5_accuracy",
    "test/ema_loss",
    "test/ema_accuracy",
    "test/ema_top5_accuracy",
    "grad/norm_before",
    "grad/norm_after",
    "clip/clipped_share",
    "clip/limit",
    "skip_gain/mean_abs",
    "images_per_second",
)

_HEADER = ",".join(COLUMNS) + "\n"

Row = Mapping[str, float | None]
Progress = Callable[[dict[str, float]], None]
"""Is told the numbers of every row that is written."""


class MetricsFile:
    """Appends rows and flushes each; a number that a step did not produce is left blank.

    Args:
        also: called with every row, for loggers beside the file.

    Attributes:
        rows: the file.
    """

    def __init__(self, path: Path, also: Callable[[Row], None] | None = None) -> None:
        self._also = also
        if path.exists() and path.stat().st_size:
            _with_all_columns(path)
        self.rows = RowFile(path)
        if self.rows.empty:
            self.rows.append(_HEADER)

    def write(self, row: Row) -> None:
        unknown = set(row) - set(COLUMNS)
        if unknown:
            raise ValueError(f"no such column in metrics.csv: {', '.join(sorted(unknown))}")
        self.rows.append(",".join(_text(row.get(column)) for column in COLUMNS) + "\n")
        if self._also is not None:
            self._also(row)


class NoFile(MetricsFile):
    """For ranks other than 0: takes rows and writes none."""

    def __init__(self) -> None:
        """There is no file."""

    def write(self, row: Row) -> None:
        """Drop it."""


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _with_all_columns(path: Path) -> None:
    """A run that an earlier version began has fewer columns."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) == COLUMNS:
            return
        rows = (",".join(row.get(column) or "" for column in COLUMNS) + "\n" for row in reader)
        write_lines_atomic(path, chain([_HEADER], rows))
