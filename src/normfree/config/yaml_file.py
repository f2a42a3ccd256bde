"""Configuration files of any origin: checked before their aliases are written out, which could fill the memory."""

from pathlib import Path
from typing import Any

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event, NodeEvent

from normfree.config.errors import UserError
from normfree.config.interpolations import check_interpolations

LARGEST = 2**20
"""Bytes."""
_DEEPEST = 50
_MOST_VALUES = 100_000
"""With every alias written out."""
_FEW = 10
"""Interpolations that cannot come to much."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_yaml(text: str) -> None:
    """Refuse what would become too much, by looking at the file's events one by one.

    Raises:
        ValueError: says in one line what is wrong.
    """
    if len(text) > LARGEST:
        raise ValueError(f"is larger than {LARGEST >> 20} MB")
    sizes: dict[str, int] = {}
    # The number of values in each collection that is open, and its anchor; the file itself first.
    open_ones: list[tuple[int, str | None]] = [(0, None)]
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, CollectionStartEvent):
                open_ones.append((1, event.anchor))
                if len(open_ones) > _DEEPEST:
                    raise ValueError(f"{_line(event)}: is nested more than {_DEEPEST} deep")
                continue
            if isinstance(event, CollectionEndEvent):
                size, anchor = open_ones.pop()
            elif isinstance(event, AliasEvent):
                if event.anchor not in sizes:
                    raise ValueError(f"{_line(event)}: no *{event.anchor} has been given before")
                size, anchor = sizes[event.anchor], None
            elif isinstance(event, NodeEvent):
                size, anchor = 1, event.anchor
            else:
                continue
            if anchor is not None:
                sizes[anchor] = size
            total, outer = open_ones[-1]
            open_ones[-1] = (total + size, outer)
            if total + size > _MOST_VALUES:
                raise ValueError(f"has more than {_MOST_VALUES:,} values with its aliases written out")
    except yaml.YAMLError as error:
        raise ValueError(_in_one_line(error)) from error


def parse_yaml(text: str) -> Any:
    """What the text holds, as plain values.

    Raises:
        ValueError: as :func:`check_yaml`.
    """
    check_yaml(text)
    try:
        return yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise ValueError(_in_one_line(error)) from error


def read_checked(path: Path, key: str) -> str:
    """The text of a configuration file, checked.

    Args:
        key: how the user named the file, ``experiment=mine`` for instance.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else b" " * (LARGEST + 1)
        text = content.decode("utf-8")
        check_yaml(text)
        if text.count("${") > _FEW:
            check_interpolations(parse_yaml(text))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{key}: {path} cannot be read: line {line} is not UTF-8") from error
    except OSError as error:
        raise UserError(f"{key}: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{key}: {path} cannot be read: {error}") from error
    return text


def _line(event: Event) -> str:
    return "a line" if event.start_mark is None else f"line {event.start_mark.line + 1}"


def _in_one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    place = "" if mark is None else f"line {mark.line + 1}: "
    return " ".join(f"{place}{problem}".split())
