"""What is read of a data set: classes, images of each split, what is left out and why, and a digest of all of it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from normfree.config.errors import UserError
from normfree.host.wording import counted

SMALL = 64 * 2**20
"""Files of so many bytes together enter a digest by their contents too; larger sets by names, sizes and labels."""

MOST_PIXELS = 2**26
"""Of one image, 67 million. Decoding so many takes up to a gigabyte."""

_NAMED = 4
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class LeftOut:
    """Something that lies there and is not read."""

    what: str
    why: str
    count: int = 1
    asked_for: bool = False

    def __str__(self) -> str:
        return f"{self.what} ({self.why})"


@dataclass(frozen=True)
class Reading:
    """What a configuration reads from.

    Attributes:
        classes: names, in the order of their labels; numbers where there are none.
        images: split -> images that have files for it. A split that is missing is cut from ``train``.
        places: split -> where these lie, beneath ``data.root``.
        files: how many are read.
        empty: split -> classes that have no image there.
        broken: what cannot be read, and why.
        digest: of names, sizes and labels, and of the contents of a small set; empty where the files are not here.
    """

    classes: Sequence[str]
    images: dict[str, int]
    digest: str
    files: int = 0
    places: dict[str, str] = field(default_factory=dict)
    empty: dict[str, list[str]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    broken: tuple[LeftOut, ...] = ()

    def record(self) -> dict[str, Any]:
        """For result.json."""
        return {
            "digest": self.digest,
            "class_names": list(self.classes),
            "files": self.files,
            "places": self.places,
            "empty_classes": self.empty,
            "left_out": [
                {"what": part.what, "why": part.why, "count": part.count} for part in (*self.left_out, *self.broken)
            ],
        }

    def remarks(self, everything: bool = False) -> list[str]:
        """What a user should hear once: left out (``everything``, or what nobody asked for), broken, empty."""
        left_out = [part for part in self.left_out if everything or not part.asked_for]
        lines = [f"left out: {listed(map(str, left_out))}"] if left_out else []
        if self.broken:
            lines.append(f"cannot be read: {listed(map(str, self.broken))}")
        return lines + [f"no image in {split} of {listed(names)}" for split, names in self.empty.items()]

    def __str__(self) -> str:
        splits = " and ".join(f"{count:,} of {split} in {self.places[split]}" for split, count in self.images.items())
        files = counted(self.files, "file")
        return f"{len(self.classes)} classes ({listed(self.classes)}); images: {splits} ({files})"

    def refuse_broken(self, on_error: str) -> None:
        """Stop for what cannot be read, unless it is to be skipped.

        Raises:
            UserError: names the first and their number.
        """
        if self.broken and on_error == "raise":
            more = f", and {len(self.broken) - 1} more" if len(self.broken) > 1 else ""
            first = self.broken[0]
            raise UserError(
                f"{first.what}: unreadable ({first.why}){more}; repair or remove it, or add data.on_error=skip"
            )


def listed(names: Iterable[str], most: int = _NAMED) -> str:
    """The first few of them."""
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


class Digest:
    """Gathers what a digest is of."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._hash = hashlib.sha256(json.dumps(list(classes)).encode())

    def add(self, *facts: object) -> None:
        """Any values whose ``repr`` is the same wherever they are read."""
        self._hash.update(("\0".join(map(str, facts)) + "\n").encode("utf-8", "surrogateescape"))

    def contents(self, files: Iterable[Path], size: int) -> None:
        """Of all files together, where these are few bytes."""
        if size > SMALL:
            return
        for file in files:
            try:
                self._hash.update(hashlib.sha256(file.read_bytes()).digest())
            except OSError as error:
                self.add(error.errno)

    def finished(self) -> str:
        return self._hash.hexdigest()[:16]


_memory: dict[Any, Any] | None = None


@contextmanager
def looked_up_once() -> Iterator[None]:
    """Within this, a data set is listed once, however often it is asked for: in one command it does not change."""
    global _memory
    before, _memory = _memory, {} if _memory is None else _memory
    try:
        yield
    finally:
        _memory = before


def remembered(key: Any, make: Callable[[], _Made], keep: Callable[[_Made], bool] = lambda made: True) -> _Made:
    """``make()``, or what it gave for ``key`` within :func:`looked_up_once`, unless that was not to be kept."""
    if _memory is not None and key in _memory:
        return cast(_Made, _memory[key])
    made = make()
    if _memory is not None and keep(made):
        _memory[key] = made
    return made
