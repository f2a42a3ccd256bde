"""A look at images before anything is trained: which are empty, and what the first and last bytes of some tell."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from normfree.config.errors import UserError
from normfree.config.sources.parquet_schema import image_column, open_parquet
from normfree.config.sources.reading import SMALL, LeftOut

MOST = 256
"""Images that are looked at: all of so many, and of more as many at equal distances."""
_ROWS = 64
_TAIL = 64
_EMPTY = "empty"
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
"""What the last bytes of a whole image hold. One without is decoded: some programs write after the end."""

_Each = TypeVar("_Each")


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        at, of: how many images were looked at, of how many.
        broken: those that cannot be read.
    """

    at: int
    of: int
    broken: tuple[LeftOut, ...] = ()

    def __str__(self) -> str:
        return f"looked at {'all' if self.at == self.of else f'{self.at:,} of'} {self.of:,}"

    def refuse_broken(self) -> None:
        """Stop for what cannot be read.

        Raises:
            UserError: names the first and the number of all.
        """
        if self.broken:
            first, others = self.broken[0], len(self.broken) - 1
            more = f", and {others} more of those that were looked at" if others else ""
            raise UserError(
                f"{first.what}: unreadable image ({first.why}){more}; repair or remove it, or add data.on_error=skip"
            )


def look_at_files(paths: Sequence[str], sizes: Sequence[int]) -> Look:
    """Image files; of all of them whether they are empty. What is no file, of -1 bytes, is left to others."""
    empty = [LeftOut(path, _EMPTY) for path, size in zip(paths, sizes, strict=True) if size == 0]
    full = [path for path, size in zip(paths, sizes, strict=True) if size > 0]
    some = _some(full)
    broken = [LeftOut(path, why) for path in some if (why := _why_not(path))]
    return Look(len(some) + len(empty), len(full) + len(empty), tuple(empty + broken))


def look_at_rows(files: Sequence[Path]) -> Look:
    """Rows of parquet files; of small ones whether any is empty, of others the first rows of each."""
    from pyarrow import ArrowException

    whole = sum(path.stat().st_size for path in files) <= SMALL
    rows: list[tuple[str, bytes]] = []
    count = 0
    for path in files:
        file = open_parquet(path)
        count += file.metadata.num_rows
        with suppress(OSError, ArrowException):  # what is damaged in the file itself is told when it is read
            rows += _rows(file, path, whole)
    empty = [LeftOut(where, _EMPTY) for where, content in rows if not content]
    some = _some([(where, content) for where, content in rows if content])
    broken = [LeftOut(where, why) for where, content in some if (why := _why_not(content))]
    return Look(len(some) + len(empty), count, tuple(empty + broken))


def _rows(file: Any, path: Path, whole: bool) -> Iterator[tuple[str, bytes]]:
    """Where each image is, and its bytes."""
    number = 0
    for batch in file.iter_batches(_ROWS, columns=[image_column(file, path)]):
        for each in batch.column(0).to_pylist():
            yield f"{path}, row {number}", (each.get("bytes") if isinstance(each, dict) else each) or b""
            number += 1
        if not whole:
            return


def _some(every: Sequence[_Each]) -> Sequence[_Each]:
    if len(every) <= MOST:
        return every
    return [every[number * (len(every) - 1) // (MOST - 1)] for number in range(MOST)]


def _why_not(source: str | bytes) -> str:
    """Why a file or its content is no whole image, as far as that is quick; empty where nothing is wrong with it."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with (
                open(source, "rb") if isinstance(source, str) else io.BytesIO(source) as file,
                Image.open(file) as image,
            ):
                end = _ENDS.get(image.format or "", b"")
                at = file.tell()
                file.seek(0, io.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL))
                ended = end in file.read()
                file.seek(at)
                if not ended:
                    image.load()
        except UnidentifiedImageError:  # its own words hold an address of memory
            return "of no image format that is known"
        except Image.DecompressionBombError:
            return ""  # told when it is drawn, with the most pixels
        except Exception as error:  # damaged bytes raise nearly anything
            return (str(error).splitlines() or [type(error).__name__])[0]
    return ""
