"""What stands where a network has BatchNorm: one file a normaliser, found by being here.

A network asks its `Normalization` for layers, convolutions, the weights of its branches and initial values, and knows
nothing else of it.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from normfree.nets.errors import one_of
from normfree.nets.normalizers.normalizer import SEEN, Normalization, Normalizer, Sees, bound

DEFAULT = "batchnorm"

_NORMALIZERS: dict[str, Normalizer] = {}


def register(normalizer: Normalizer) -> None:
    """Makes it known by its name.

    Raises:
        ValueError: the name is taken.
    """
    if normalizer.name in _NORMALIZERS:
        raise ValueError(f"a normaliser named {normalizer.name!r} is registered already")
    _NORMALIZERS[normalizer.name] = normalizer


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")


def list_normalizers() -> list[str]:
    """Names that ``create_model(..., normalizer=...)`` takes, sorted."""
    _load()
    return sorted(_NORMALIZERS)


def normalizer(name: str) -> Normalizer:
    """The normaliser called `name`.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    return _NORMALIZERS[one_of(name, list_normalizers(), "normalizer")]


def normalizer_options() -> dict[str, str]:
    """Option -> the normalisers that have it, in one text."""
    found: dict[str, list[str]] = {}
    for name in list_normalizers():
        for option in _NORMALIZERS[name].options:
            found.setdefault(option, []).append(name)
    return {option: ", ".join(names) for option, names in sorted(found.items())}


def normalization(name: str | Normalizer = DEFAULT, **options: Any) -> Normalization:
    """The normaliser called `name`, or that one itself, with its options; those that are None are as if not given.

    Raises:
        ValueError: no such normaliser, or an option that it does not have.
    """
    kind = name if isinstance(name, Normalizer) else normalizer(name)
    return bound(kind, options, normalizer_options())


__all__ = [
    "DEFAULT",
    "SEEN",
    "Normalization",
    "Normalizer",
    "Sees",
    "list_normalizers",
    "normalization",
    "normalizer",
    "normalizer_options",
    "register",
]
