"""``metrics.csv``: the record of a run, whatever other logger is asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path

COLUMNS = (
    "step",
    "epoch",
    "lr",
    "train/loss",
    "train/accuracy",
    "validation/loss",
    "validation/accuracy",
    "test/loss",
    "test/accuracy",
    "grad/norm_before",
    "grad/norm_after",
    "clip/clipped_share",
    "skip_gain/mean_abs",
    "images_per_second",
)

Row = Mapping[str, float | None]


class MetricsFile:
    """Appends rows and flushes each; a number that a step did not produce is left blank.

    Args:
        also: called with every row, for loggers beside the file.
    """

    def __init__(self, path: Path, also: Callable[[Row], None] | None = None) -> None:
        self._path = path
        self._also = also
        if not path.exists() or path.stat().st_size == 0:
            path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")

    def write(self, row: Row) -> None:
        unknown = set(row) - set(COLUMNS)
        if unknown:
            raise ValueError(f"no such column in metrics.csv: {', '.join(sorted(unknown))}")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(",".join(_cell(row.get(column)) for column in COLUMNS) + "\n")
        if self._also is not None:
            self._also(row)


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
