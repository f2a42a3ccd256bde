"""The values of an experiment file: texts in one line, numbers in their range, conditions on factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from normfree.config.errors import UserError
from normfree.runs.reading import shortened

Where = Mapping[str, Any]

_LONGEST_TEXT = 5000
_LARGEST_INT = 2**63


def mapping(content: Mapping[Any, Any], key: str) -> Mapping[Any, Any]:
    """Names with values, none where there is no such key. Raises `UserError`, as all of these do."""
    value = content.get(key) or {}
    if not isinstance(value, Mapping):
        raise UserError(f"experiment.{key}: expected names with values, got {shortened(value)}")
    return value


def text_of(place: str, value: Any) -> str:
    """In one line, of what can be printed."""
    if not isinstance(value, str | int | float | bool):
        raise UserError(f"experiment.{place}: expected a text, got {shortened(value)}")
    text = " ".join(str(value).split())
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise UserError(
            f"experiment.{place}: expected a text of at most {_LONGEST_TEXT} letters, got {shortened(text)}"
        )
    return text


def texts_of(place: str, value: Any) -> list[str]:
    """A list of them, empty for none."""
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise UserError(f"experiment.{place}: expected a list, got {shortened(value)}")
    return [text_of(place, one) for one in value]


def conditions(value: Any, place: str) -> Where:
    """Conditions on factors: a value, a list of values, or a range."""
    if not isinstance(value, Mapping):
        raise UserError(f"{place}: expected factors with values, got {shortened(value)}")
    for factor, wanted in value.items():
        if not isinstance(factor, str):
            raise UserError(f"{place}: {shortened(factor)} is no factor")
        for one in wanted if isinstance(wanted, list) else [wanted]:
            if isinstance(one, Mapping):
                bounds = [bound for key, bound in one.items() if key in ("min", "max") and is_number(bound)]
                if not one or len(bounds) < len(one):
                    raise UserError(f"{place}.{factor}: a range is {{min: 0.4, max: 3.2}}, got {shortened(dict(one))}")
            elif isinstance(one, list) or (isinstance(one, int) and abs(one) > _LARGEST_INT):
                raise UserError(f"{place}.{factor}: {shortened(one)} is no value")
    return dict(value)


def is_number(value: Any) -> bool:
    """A finite number that fits into 64 bits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_INT


def count_of(place: str, value: Any) -> int:
    """A whole number from 1 on."""
    if not is_number(value) or value < 1 or value != int(value):
        raise UserError(f"experiment.{place}={shortened(value)}: give a whole number from 1 on")
    return int(value)


def share_of(key: str, value: Any) -> float:
    """A rule that is a share."""
    if not is_number(value) or not 0 < value < 1:
        raise UserError(f"experiment.rules.{key}={shortened(value)}: give a number between 0 and 1")
    return float(value)
