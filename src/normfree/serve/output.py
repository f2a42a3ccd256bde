"""Files that are whole or not there: a table by its suffix, or whatever another library writes."""

from __future__ import annotations

import csv
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from normfree.config import UserError
from normfree.host.files import where_to_write

TABLES = (".csv", ".jsonl", ".parquet")
Row = Mapping[str, Any]


@contextmanager
def written(out: str) -> Iterator[Path]:
    """Beside the target, a place to write, which is renamed over it when all went well.

    Raises:
        UserError: nothing can be written there.
    """
    target = Path(out).expanduser()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    if target.is_dir():
        raise UserError(f"out={out}: is a folder; give a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise UserError(f"out={out}: {error.strerror}; {where_to_write(error, 'out')}") from error
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(temporary):
            raise
        raise UserError(f"out={out}: {error.strerror or error}; {where_to_write(error, 'out')}") from error
    finally:
        temporary.unlink(missing_ok=True)


class Table(ABC):
    """Rows of one shape, as they come."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> None: ...


class Lines(Table):
    """CSV or JSON lines."""

    def __init__(self, columns: Sequence[str], file: TextIO, as_json: bool) -> None:
        super().__init__(columns)
        self._file, self._json = file, as_json
        self._csv = csv.DictWriter(file, self.columns, lineterminator="\n")
        if not as_json:
            self._csv.writeheader()

    def add(self, rows: Sequence[Row]) -> None:
        if self._json:
            self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            self._csv.writerows(rows)


class Parquet(Table):
    """Columns of text, but for probabilities and seconds, which are float64, and numbers of frames."""

    def __init__(self, columns: Sequence[str], path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        super().__init__(columns)
        kinds = {"probability": pa.float64(), "seconds": pa.float64(), "frame": pa.int64()}
        self._arrow = pa
        self._schema = pa.schema([(name, kinds.get(name.partition("_")[0], pa.string())) for name in columns])
        self._writer = parquet.ParquetWriter(path, self._schema)

    def add(self, rows: Sequence[Row]) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist([dict(row) for row in rows], schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def check_table(out: str) -> None:
    """Whether a table can have this name.

    Raises:
        UserError: it has another suffix.
    """
    if Path(out).suffix.lower() not in TABLES:
        raise UserError(f"out={out}: give a file that ends in {', '.join(TABLES)}")


@contextmanager
def table(out: str, columns: Sequence[str]) -> Iterator[Table]:
    """A table that is there when all its rows are.

    Raises:
        UserError: another suffix, or nothing can be written there.
    """
    check_table(out)
    suffix = Path(out).suffix.lower()
    with written(out) as path:
        if suffix == ".parquet":
            parquet = Parquet(columns, path)
            try:
                yield parquet
            finally:
                parquet.close()
        else:
            with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield Lines(columns, file, suffix == ".jsonl")
