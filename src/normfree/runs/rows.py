"""Files that a run appends rows to, and marks by which it knows later what they held."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from normfree.host.files import flush

_PIECE = 2**20

Mark = Mapping[str, Any]
"""What a file held at some moment: its ``bytes`` and their ``sha256``."""


class RowFile:
    """A file of rows. What it must hold is known from what was written, not from what the disk says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_again()

    def read_again(self) -> None:
        """Take the file as it is now for what it must hold: somebody else has changed it, and was to."""
        self._sum, self._bytes = hashlib.sha256(), 0
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                self._take(piece)

    @property
    def empty(self) -> bool:
        return self._bytes == 0

    @property
    def sha256(self) -> str:
        """Of all that the file must hold."""
        return self._sum.hexdigest()

    def append(self, text: str) -> None:
        """Write whole rows.

        Raises:
            OSError: they could not be written.
        """
        content = text.encode("utf-8")
        with self.path.open("ab") as file:
            file.write(content)
        self._take(content)

    def mark(self) -> dict[str, Any]:
        """What the file holds now, when that is on the disk."""
        with suppress(FileNotFoundError):
            flush(self.path)
        return {"bytes": self._bytes, "sha256": self.sha256}

    def _take(self, content: bytes) -> None:
        self._sum.update(content)
        self._bytes += len(content)


def holds(path: Path, mark: Mark) -> bool:
    """Whether a file begins with what it held at the mark."""
    found, left = hashlib.sha256(), int(mark["bytes"])
    with suppress(FileNotFoundError), path.open("rb") as file:
        while left and (piece := file.read(min(_PIECE, left))):
            found.update(piece)
            left -= len(piece)
    return left == 0 and found.hexdigest() == mark["sha256"]


def cut_to(path: Path, mark: Mark) -> None:
    """Drop what was written after the mark."""
    with suppress(FileNotFoundError):
        os.truncate(path, int(mark["bytes"]))


def truncate_metrics(path: Path, step: int) -> None:
    """Drop what a run that goes on after ``step`` writes again: the rows after it, and the tests at the end.

    Rows that are not whole go too: a process that was killed may have left half of one. The file is left alone where
    nothing is to be dropped.
    """
    if not path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with path.open(encoding="utf-8", errors="replace") as file, temporary.open("w", encoding="utf-8") as kept:
            header = file.readline()
            columns = header.rstrip("\n").split(",")
            kept.write(header)
            for line in file:
                row = dict(zip(columns, values := line.rstrip("\n").split(","), strict=False))
                whole = line.endswith("\n") and len(values) == len(columns) and "\ufffd" not in line
                if (
                    whole
                    and row.get("step", "").isdigit()
                    and int(row["step"]) <= step
                    and not (row.get("test/accuracy") or row.get("test/loss"))
                ):
                    kept.write(line)
            kept.flush()
            os.fsync(kept.fileno())
        if temporary.stat().st_size != path.stat().st_size:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
