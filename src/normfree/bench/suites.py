"""The suites of benchmarks: one a file, its options a dataclass."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_FIRST = ("nets", "latency", "clip", "data", "loop", "train", "sweep")
"""Told in this order; others by their names, and the page of all of them last."""
_LAST = "summary"


@cache
def suites() -> dict[str, str]:
    """Every module of this package that says what it measures (``SUITE``), found without importing it.

    Each has a dataclass ``Options`` and a function ``run(options)``; with a ``TITLE`` it has a section in the summary.
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        said = re.search(r'^SUITE = "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        if said:
            found[path.stem] = said[1]
    order = {name: place for place, name in enumerate(_FIRST)}
    return dict(sorted(found.items(), key=lambda each: (each[0] == _LAST, order.get(each[0], len(order)), each[0])))
