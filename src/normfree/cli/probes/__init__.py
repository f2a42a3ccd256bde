"""Probes of networks and images: one file each, found by its name.

A file has ``KEYS``, what the probe can be told, and ``run(keys, page)``, which gives the files of its report by name:
``<page.name>.md`` and what that shows. Torch is imported in ``run``. ``INTERRUPTED`` is what is said
after Ctrl-C, where that is not that nothing was written.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

_FIRST = ("signal", "augment", "split")
"""Told in this order; others by their names."""


@cache
def probes() -> dict[str, ModuleType]:
    """Name -> module."""
    found = {path.stem for path in Path(__file__).parent.glob("[!_]*.py")}
    names = (*_FIRST, *sorted(found - {*_FIRST}))
    return {name: import_module(f"{__name__}.{name}") for name in names}
