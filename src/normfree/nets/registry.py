"""Names of networks, and how a name becomes a module.

A family is a file of this package that calls `register` for each of its variants; nothing else has to
know of it. Another library's networks are ``LIBRARY/NAME``, and that library is asked when one is wanted.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from normfree.nets.classifier_network import ClassifierNetwork
from normfree.nets.errors import one_of
from normfree.nets.normalizers import DEFAULT, normalization, normalizer_options

_NORMALIZATION = "normalization"
"""Argument of a network in which a normaliser can stand where its own does."""


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a network before it is built.

    Attributes:
        name: the name `create_model` takes.
        family: one of those that `list_models` takes, for example ``nfnet``.
        normalizer: its own, where no other is asked for; ``"none"`` of NF networks.
        train_size, test_size: side of the square images in pixels.
        source: where the architecture comes from.
        twin: the network with the same stages, widths and shortcuts and the other normaliser, or None.
        parameters: learnable numbers with 1000 classes and three input channels, as published with the
            released code; None where nothing is published.
    """

    name: str
    family: str
    normalizer: str
    train_size: int
    test_size: int
    source: str
    twin: str | None = None
    parameters: int | None = None


@dataclass(frozen=True)
class _Variant:
    info: ModelInfo
    network: Callable[..., ClassifierNetwork]
    defaults: Mapping[str, Any]


@dataclass(frozen=True)
class Library:
    """Networks that another library defines.

    Attributes:
        names: what there is; empty, without an error, where the library is not installed.
        info: of the network with the library's `name`; raises ValueError if there is none.
        network: builds it; called with the overrides.
    """

    names: Callable[[], list[str]]
    info: Callable[[str], ModelInfo]
    network: Callable[[str], Callable[..., ClassifierNetwork]]


_VARIANTS: dict[str, _Variant] = {}
_LIBRARIES: dict[str, Library] = {}


def register(info: ModelInfo, network: Callable[..., ClassifierNetwork], **defaults: Any) -> None:
    """Makes `network`, called with `defaults`, known as `info.name`.

    Raises:
        ValueError: the name is taken.
    """
    if info.name in _VARIANTS:
        raise ValueError(f"a model named {info.name!r} is registered already")
    _VARIANTS[info.name] = _Variant(info, network, defaults)


def register_library(prefix: str, library: Library) -> None:
    """Makes the networks of `library` known as ``prefix/NAME``, and as the family `prefix`.

    Raises:
        ValueError: the prefix is taken.
    """
    if prefix in _LIBRARIES:
        raise ValueError(f"a library named {prefix!r} is registered already")
    _LIBRARIES[prefix] = library


@cache
def _load_families() -> None:
    package = __package__ or "normfree.nets"
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")


def _variant(name: str) -> _Variant:
    _load_families()
    return _VARIANTS[one_of(name, sorted(_VARIANTS), "model")]


def _of_library(name: str) -> tuple[Library | None, str]:
    """The library behind a name, and its own name of the network."""
    _load_families()
    prefix, _, inner = name.partition("/")
    return (_LIBRARIES.get(prefix), inner) if inner else (None, name)


def _network(name: str) -> tuple[Callable[..., ClassifierNetwork], Mapping[str, Any]]:
    library, inner = _of_library(name)
    if library is not None:
        return library.network(inner), {}
    variant = _variant(name)
    return variant.network, variant.defaults


def list_models(family: str | None = None) -> list[str]:
    """Names that `create_model` takes, sorted; only those of `family` if one is given.

    Those of a library are listed for that family alone, as ``timm/NAME``; none if it is not installed.

    Raises:
        ValueError: no such family.
    """
    _load_families()
    families = sorted({variant.info.family for variant in _VARIANTS.values()} | set(_LIBRARIES))
    if family is not None:
        one_of(family, families, "model family")
    if family in _LIBRARIES:
        return sorted(f"{family}/{name}" for name in _LIBRARIES[family].names())
    return sorted(name for name, v in _VARIANTS.items() if family in (None, v.info.family))


def model_info(name: str) -> ModelInfo:
    """What is known of the network called `name`, without giving it memory.

    Raises:
        ValueError: no such network.
    """
    library, inner = _of_library(name)
    return _variant(name).info if library is None else library.info(inner)


def model_options(name: str) -> dict[str, Any]:
    """The overrides that `create_model(name, ...)` takes, with the values they have if left alone.

    Raises:
        ValueError: no such network.
    """
    network, given = _network(name)
    defaults = _defaults(network)
    if _NORMALIZATION in defaults:
        del defaults[_NORMALIZATION]
        defaults |= {"normalizer": DEFAULT, **dict.fromkeys(normalizer_options())}
    return defaults | dict(given)


def _defaults(network: Callable[..., ClassifierNetwork]) -> dict[str, Any]:
    parameters = inspect.signature(network).parameters
    return {key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty}


def create_model(name: str, num_classes: int = 1000, **overrides: Any) -> ClassifierNetwork:
    """Builds a network with fresh initial values.

    Args:
        name: one of `list_models()`, or ``timm/NAME`` where timm is installed.
        num_classes: size of the logits; 0 gives pooled features.
        **overrides: see `model_options(name)`; for example ``depth``, ``width``, ``activation``,
            ``drop_rate``, ``in_channels``, ``normalizer`` (a name or a `normfree.nets.normalizers.Normalizer`) and what
            that takes, such as ``groups`` or ``ghost_batch``.

    Raises:
        ValueError: an unknown name or override, or a value that fits no network.
    """
    network, given = _network(name)
    options = model_options(name)
    if "normalizer" in overrides and "normalizer" not in options:
        _refuse_another(name, overrides.pop("normalizer"))
    for key in overrides:
        one_of(key, options, f"override of {name}")
    if _NORMALIZATION in _defaults(network):
        overrides = _with_normalization(overrides)
    return network(**{**given, **overrides, "num_classes": num_classes})


def _refuse_another(name: str, wanted: str) -> None:
    info = model_info(name)
    if wanted != info.normalizer:
        twin = info.twin if info.twin and info.normalizer == "none" else "resnet20"
        raise ValueError(
            f"normalizer={wanted}: {name} has {info.normalizer} and takes no other; "
            f"choose a network that does, such as {twin}"
        )


def _with_normalization(overrides: dict[str, Any]) -> dict[str, Any]:
    """What a network is called with, which has one word for a normaliser and its options."""
    mine = {key: overrides.pop(key) for key in ("normalizer", *normalizer_options()) if key in overrides}
    chosen = normalization(mine.pop("normalizer", None) or DEFAULT, **mine)
    if chosen.kind.activation == "replaced" and overrides.get("activation") is not None:
        raise ValueError(
            f"activation={overrides['activation']}: {chosen.kind.title} is the nonlinearity too; leave activation out, "
            "or choose a normalizer that it follows, such as groupnorm"
        )
    return {**overrides, _NORMALIZATION: chosen}
