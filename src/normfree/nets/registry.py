"""Names of networks, and how a name becomes a module.

A family is a file of this package that calls `register` for each of its variants; nothing else has to
know of it.
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


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a network before it is built.

    Attributes:
        name: the name `create_model` takes.
        family: one of those that `list_models` takes, for example ``nfnet``.
        normalizer: ``"batchnorm"`` or ``"none"``.
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


_VARIANTS: dict[str, _Variant] = {}


def register(info: ModelInfo, network: Callable[..., ClassifierNetwork], **defaults: Any) -> None:
    """Makes `network`, called with `defaults`, known as `info.name`.

    Raises:
        ValueError: the name is taken.
    """
    if info.name in _VARIANTS:
        raise ValueError(f"a model named {info.name!r} is registered already")
    _VARIANTS[info.name] = _Variant(info, network, defaults)


@cache
def _load_families() -> None:
    package = __package__ or "normfree.nets"
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")


def _variant(name: str) -> _Variant:
    _load_families()
    return _VARIANTS[one_of(name, sorted(_VARIANTS), "model")]


def list_models(family: str | None = None) -> list[str]:
    """Names that `create_model` takes, sorted; only those of `family` if one is given.

    Raises:
        ValueError: no such family.
    """
    _load_families()
    families = sorted({variant.info.family for variant in _VARIANTS.values()})
    if family is not None:
        one_of(family, families, "model family")
    return sorted(name for name, v in _VARIANTS.items() if family in (None, v.info.family))


def model_info(name: str) -> ModelInfo:
    """What is known of the network called `name`, without building it.

    Raises:
        ValueError: no such network.
    """
    return _variant(name).info


def model_options(name: str) -> dict[str, Any]:
    """The overrides that `create_model(name, ...)` takes, with the values they have if left alone.

    Raises:
        ValueError: no such network.
    """
    variant = _variant(name)
    parameters = inspect.signature(variant.network).parameters
    defaults = {key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return defaults | dict(variant.defaults)


def create_model(name: str, num_classes: int = 1000, **overrides: Any) -> ClassifierNetwork:
    """Builds a network with fresh initial values.

    Args:
        name: one of `list_models()`.
        num_classes: size of the logits; 0 gives pooled features.
        **overrides: see `model_options(name)`; for example ``depth``, ``width``, ``activation``,
            ``drop_rate``, ``in_channels``, ``ghost_batch``.

    Raises:
        ValueError: an unknown name or override, or a value that fits no network.
    """
    variant = _variant(name)
    options = model_options(name)
    for key in overrides:
        one_of(key, options, f"override of {name}")
    return variant.network(**{**variant.defaults, **overrides, "num_classes": num_classes})
