"""How much the interpolations of a configuration file come to, found without resolving them.

OmegaConf resolves each as often as it is met: thirty keys that each repeat the one before twice are a thousand million
texts.
"""

import re
from typing import Any

MOST = 20_000
"""Values that may come of one; a configuration needs tens."""
_DEEPEST = 40
_REFERENCE = re.compile(r"\$\{(\.*)([^${}:.][^${}:]*)\}")


def check_interpolations(content: Any) -> None:
    """Whether no text of a file comes to more than `MOST` values.

    What is not in the file, and what a resolver such as ``oc.env`` gives, counts as one.

    Raises:
        ValueError: names the key.
    """
    known: dict[tuple[str, ...], int] = {}
    left: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while left:
        place, value = left.pop()
        if isinstance(value, dict | list):
            left += [((*place, name), part) for name, part in _parts(value)]
        elif isinstance(value, str) and "${" in value and _size(content, place, known, 0) > MOST:
            raise ValueError(f"{'.'.join(place)} comes to more than {MOST:,} values with its interpolations resolved")


def _size(content: Any, place: tuple[str, ...], known: dict[tuple[str, ...], int], depth: int) -> int:
    if place in known:
        return known[place]
    if depth > _DEEPEST:
        return MOST + 1
    value = _at(content, place)
    if isinstance(value, dict | list):
        found = sum(_size(content, (*place, name), known, depth + 1) for name, _ in _parts(value))
    elif isinstance(value, str):
        found = 1 + sum(_size(content, one, known, depth + 1) for one in _references(place, value))
    else:
        found = 1
    known[place] = found
    return found


def _references(place: tuple[str, ...], text: str) -> list[tuple[str, ...]]:
    """The places that a text refers to: from the root, or with dots from where it stands."""
    found = []
    for dots, path in _REFERENCE.findall(text):
        names = tuple(name for name in re.split(r"[.\[\]]+", path) if name)
        start = place[: max(0, len(place) - len(dots))] if dots else ()
        found.append((*start, *names))
    return found


def _parts(value: dict[Any, Any] | list[Any]) -> list[tuple[str, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [(str(name), part) for name, part in pairs]


def _at(content: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        if not isinstance(content, dict | list):
            return None
        content = dict(_parts(content)).get(name)
    return content
