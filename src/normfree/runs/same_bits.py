"""Whether two runs came to the same, bit for bit: in their rows and in the weights at the end.

What the clock says and which run it is are not compared: ``images_per_second``, and the names in a checkpoint.
"""

import csv
from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from normfree.host.files import open_regular
from normfree.runs.damage import standing
from normfree.runs.directory import RECORDS, RunDirectory
from normfree.runs.outcomes import TERMINAL

WEIGHTS = "final.ckpt"
_BY_THE_CLOCK = ("images_per_second",)
_PIECE = 2**20


def compared(one: RunDirectory, other: RunDirectory, weights: bool = True) -> dict[str, bool | None]:
    """File -> whether it holds the same in both; ``None`` where one of them has none, or it cannot be read.

    Args:
        weights: read the checkpoints too, which may be large; optimizers in them count.
    """
    found = {name: _same(one.path / name, other.path / name, _rows) for name in RECORDS}
    if weights:
        found[WEIGHTS] = _same(one.checkpoints / WEIGHTS, other.checkpoints / WEIGHTS, _tensors)
    return found


def same_rows(one: RunDirectory, other: RunDirectory) -> bool | None:
    """Whether two runs have recorded the same; ``None`` where one of them has no result or no rows."""
    if not all((result := standing(run)) is not None and result["status"] in TERMINAL for run in (one, other)):
        return None
    known = [same for same in compared(one, other, weights=False).values() if same is not None]
    return all(known) if known else None


def told_bits(one: RunDirectory, other: RunDirectory) -> str:
    """``equal bit for bit (metrics.csv, clip.csv, final.ckpt)``, or where they differ."""
    found = compared(one, other)
    equal = [name for name, same in found.items() if same]
    if different := [name for name, same in found.items() if same is False]:
        return f"not equal bit for bit: {', '.join(different)} {'differs' if len(different) == 1 else 'differ'}"
    if WEIGHTS in equal:
        return f"equal bit for bit ({', '.join(equal)})"
    return (
        f"equal bit for bit in {', '.join(equal)}; {WEIGHTS} is not there" if equal else "nothing to compare bit by bit"
    )


def _same(one: Path, other: Path, pieces: Callable[[BinaryIO], Iterator[object]]) -> bool | None:
    try:
        with open_regular(one) as left, open_regular(other) as right:
            return all(a == b for a, b in zip_longest(pieces(left), pieces(right)))
    except (OSError, ValueError, EOFError, RuntimeError, BadZipFile, csv.Error):  # of damaged archives and tables
        return None


def _rows(file: BinaryIO) -> Iterator[list[str]]:
    rows = csv.reader(line.decode("utf-8") for line in file)
    head = next(rows, [])
    kept = [place for place, name in enumerate(head) if name not in _BY_THE_CLOCK]
    for row in chain([head], rows):
        yield [row[place] for place in kept if place < len(row)]


def _tensors(file: BinaryIO) -> Iterator[object]:
    """Names and bytes of what a checkpoint holds besides its structure, in which the run is named."""
    with ZipFile(file) as archive:
        for entry in archive.infolist():
            if "/data/" in entry.filename:
                yield entry.filename
                with archive.open(entry) as content:
                    while piece := content.read(_PIECE):
                        yield piece
