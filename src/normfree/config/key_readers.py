"""From what was typed after ``key=`` to a value. A reader raises ValueError with the remedy."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from normfree.config.errors import nearest

Reader = Callable[[str], Any]


def plain_text(text: str) -> str:
    """Reads anything."""
    return text


def some_text(what: str) -> Reader:
    """Reads anything but nothing; ``what`` is told to be given."""

    def read(text: str) -> str:
        if not text.strip():
            raise ValueError(f"give {what}")
        return text

    return read


def boolean(text: str) -> bool:
    """Reads true or false."""
    if text.lower() not in ("true", "false"):
        raise ValueError("give true or false")
    return text.lower() == "true"


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Reads a whole number within bounds."""

    def read(text: str) -> int:
        good = re.fullmatch(r"[+-]?\d{1,18}", text.strip())
        if not good or int(text) < least or (most is not None and int(text) > most):
            bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
            raise ValueError(f"give a whole number {bounds}")
        return int(text)

    return read


def number(text: str) -> float:
    """Reads a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("give a number, such as 1 or 0.2")
    return value


def choice(*options: str) -> Reader:
    """Reads one of these words."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError(f"choose from {', '.join(options)}{nearest(text, options)}")
        return text

    return read


def optional(one: Reader) -> Reader:
    """Reads null as ``None``."""

    def read(text: str) -> Any:
        return None if text == "null" else one(text)

    return read


def listed(one: Reader, whole: type[list[Any]] | type[tuple[Any, ...]] = list) -> Reader:
    """Reads values with commas between them, as a list or what ``whole`` makes of one."""

    def read(text: str) -> Any:
        parts = [part.strip() for part in re.sub(r"^\[(.*)\]$", r"\1", text.strip()).split(",")]
        return whole(one(part) for part in parts if part)

    return read


def tupled(one: Reader, most: int, ordered: bool = False) -> Callable[[str], tuple[Any, ...]]:
    """Reads numbers with commas between them, each once.

    Args:
        most: how many there may be.
        ordered: in ascending order.
    """

    def read(text: str) -> tuple[Any, ...]:
        try:
            values = [one(part) for part in text.split(",")]
        except ValueError as error:
            raise ValueError(f"{error}, or several with commas between them") from error
        if len(set(values)) < len(values) or len(values) > most:
            raise ValueError(f"give each number once, and up to {most}")
        return tuple(sorted(values) if ordered else values)

    return read


def reader_of(default: Any) -> Reader:
    """What a default says of how others of its kind are typed."""
    if isinstance(default, bool):
        return boolean
    if isinstance(default, int):
        return whole_number(1)
    if isinstance(default, float):
        return number
    if isinstance(default, list | tuple):
        one: Sequence[Any] = default
        return listed(reader_of(one[0])) if one else listed(plain_text)
    return plain_text
