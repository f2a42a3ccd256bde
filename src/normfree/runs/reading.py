"""Reading what runs and sweeps have written: bounded, checked, and told in one line where it cannot be used."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from normfree.config import UserError
from normfree.host.files import open_regular
from normfree.runs import checksums
from normfree.runs.checksums import read_verified, verify

DAMAGED = "damaged"
"""What a reader calls a run one of whose files cannot be read; no run calls itself so."""

LARGEST = 4 * 2**20
"""Bytes of a file that is about one run."""
_DEEPEST = 40
_LARGEST_INT = 2**63
_QUOTED = 80
"""Characters of somebody else's text that an error repeats."""


class Damaged(UserError):
    """A file that cannot be read as what its name says.

    Attributes:
        path: the file.
        reason: what is wrong with it.
        told: whether the line says of which run it is, and how to go on.
    """

    def __init__(self, path: Path, reason: str, line: str | None = None) -> None:
        self.path = path
        self.reason = shortened(reason, 3 * _QUOTED)
        self.told = line is not None
        super().__init__(line or f"{path} is damaged: {self.reason}")

    def __reduce__(self) -> tuple[type["Damaged"], tuple[Path, str, str]]:
        return Damaged, (self.path, self.reason, str(self))


def shortened(text: object, most: int = _QUOTED) -> str:
    """A text in one line that can be printed, cut where it is too long to be read."""
    line = " ".join(str(text).encode("utf-8", "backslashreplace").decode("utf-8").split())
    line = "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in line[: most + 1])
    return line if len(line) <= most else f"{line[:most]}..."


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file to read; a pipe or a device, which could keep a reader waiting for ever, is refused.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it cannot be opened, or reading it fails.
    """
    try:
        with open_regular(path) as file:
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise Damaged(path, f"cannot be read ({error.strerror or error})") from error


def read_text(path: Path, most: int = LARGEST) -> str:
    """The whole file as UTF-8.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it cannot be read, is of more than ``most`` bytes, is no UTF-8 or holds other bytes than were written.
    """

    def read(path: Path) -> bytes:
        with opened(path) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise Damaged(path, f"is larger than {most / 2**20:.3g} MB")
        return content

    with _as_written(path):
        content = read_verified(path, read)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damaged(path, f"is no text: byte {error.start} is {content[error.start]:#04x}") from error


def check_bytes(path: Path) -> None:
    """Whether a file of any size holds what was written, as far as that is known.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it does not.
    """
    with opened(path), _as_written(path):
        verify(path)


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    try:
        yield
    except checksums.Damaged as error:
        raise Damaged(path, str(error).removeprefix(f"{path.name}: ")) from error


def read_json(path: Path, most: int = LARGEST) -> dict[str, Any]:
    """An object as `write_json_atomic` writes it: numbers are finite, no key stands twice, text can be printed.

    Raises:
        FileNotFoundError: there is none.
        Damaged: the file is anything else.
    """
    text = read_text(path, most)
    try:
        content = json.loads(text, parse_constant=_no_number, parse_float=_float, object_pairs_hook=_object)
        _check(content)
    except RecursionError as error:
        raise Damaged(path, "is nested too deeply") from error
    except ValueError as error:
        raise Damaged(path, str(error) if text.strip() else "is empty") from error
    if not isinstance(content, dict):
        raise Damaged(path, "is not an object with names and values")
    return content


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{shortened(text)} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shortened(twice)} stands twice")
    return content


def _check(content: Any) -> None:
    """Depth, whole numbers and text of everything in it."""
    left: list[tuple[Any, int]] = [(content, 0)]
    while left:
        value, depth = left.pop()
        if depth > _DEEPEST:
            raise ValueError("is nested too deeply")
        if isinstance(value, dict):
            left += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            left += [(part, depth + 1) for part in value]
        elif isinstance(value, str):
            value.encode("utf-8")  # UnicodeEncodeError is a ValueError
        elif isinstance(value, int) and abs(value) >= _LARGEST_INT:
            raise ValueError("a whole number is too large")
