"""Every public name of the package that others import, by its docstring."""

import inspect
from importlib import import_module
from typing import Any

MODULES = {
    "normfree": "Torch is imported when a name that needs it is first used.",
    "normfree.api": "What the commands do, for notebooks and scripts: [from Python](../api.md).",
    "normfree.nets": "Networks. Needs torch alone.",
    "normfree.clip": "Gradient clipping. Needs torch alone.",
    "normfree.optim": "Optimizers, schedules, averages. Needs torch alone.",
    "normfree.lightning": "Callbacks for any [LightningModule](../api.md#in-your-own-lightningmodule).",
    "normfree.trained": "Trained networks, for whoever asks them.",
}
_HEAD = """\
<!-- Written by `make reference`; the site shows the docstrings. -->

# Python

Every public name. What is not here may change without notice.

"""


MAIN = import_module("normfree").__all__
"""What can be had without naming its part."""


def names(module: str) -> list[str]:
    """Public names of a module, without its parts and its version."""
    found = import_module(module)
    listed = [name for name in found.__all__ if not name.startswith("__")]
    return [name for name in listed if not inspect.ismodule(getattr(found, name))]


def page() -> str:
    """Markdown of docs/reference/python.md."""
    parts = [_HEAD]
    for module, about in MODULES.items():
        found = import_module(module)
        constants = [name for name in names(module) if not _has_home(getattr(found, name))]
        parts.append(f"## {module}\n\n{about}\n")
        if constants:
            parts.append("\n".join(f"- `{name}`: {_short(getattr(found, name))}" for name in constants) + "\n")
        above = [name for name in names(module) if name in MAIN and module != "normfree"]
        if above:
            parts.append(f"Also here, and described above: {', '.join(f'`{name}`' for name in above)}.\n")
        for name in names(module):
            value = getattr(found, name)
            if _has_home(value) and name not in above:
                parts.append(_directive(f"{value.__module__}.{value.__qualname__}", f"{module}.{name}"))
    return "\n".join(parts)


def _directive(path: str, name: str) -> str:
    return f"::: {path}\n    options:\n      heading: {name}\n      toc_label: {name.rpartition('.')[2]}\n"


def _has_home(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def _short(value: Any) -> str:
    return (
        f"one of {', '.join(f'`{each}`' for each in value)}"
        if isinstance(value, tuple | list | dict)
        else f"`{value!r}`"
    )
