"""Evaluators: one file each, found by its name.

A file has

- ``ABOUT``, a line for the help;
- ``check(keys)``, which raises UserError for keys that it cannot follow;
- ``changes(keys, size)``: condition -> what is done to uint8 ``[N, C, S, S]`` before the network sees it, with the
  images' places in the split beside it. The images are read once for all conditions of all evaluators;
- ``findings(judged, keys)``: what is told of the predictions, a `normfree.evaluate.findings.Findings`.

Torch is imported in the functions.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

_FIRST = ("test", "corruptions", "shift", "attack")
"""Told in this order; others by their names."""


@cache
def evaluators() -> dict[str, ModuleType]:
    """Name -> module."""
    found = {path.stem for path in Path(__file__).parent.glob("[!_]*.py")}
    names = (*_FIRST, *sorted(found - {*_FIRST}))
    return {name: import_module(f"{__name__}.{name}") for name in names}
