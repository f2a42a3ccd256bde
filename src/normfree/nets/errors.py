"""One-line errors for names that do not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 12


def one_of(name: str, known: Iterable[str], what: str) -> str:
    """Returns `name` if it is in `known`.

    Raises:
        ValueError: it is not; the message names the nearest known names, or all of them where they are few.
    """
    names = list(known)
    if name in names:
        return name
    near = get_close_matches(str(name), names, n=4, cutoff=0.5)
    few = names if len(names) <= _SHOWN else get_close_matches(str(name), names, n=4, cutoff=0)
    others = f" and {len(names) - len(few)} others" if len(few) < len(names) else ""
    hint = f"did you mean {', '.join(near)}?" if near else f"choose one of {', '.join(few)}{others}"
    raise ValueError(f"unknown {what} {name!r}; {hint}")
