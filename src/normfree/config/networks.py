"""The networks of this package as they are where nothing is given, known without torch."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from normfree.config.normalizers import BATCHNORM, facts_of
from normfree.config.parts import CUSTOM
from normfree.config.schema import ModelConfig

_ELSEWHERE = (CUSTOM, "timm")


def usual_of(network: str) -> dict[str, Any]:
    """What a network is built with where nothing is given, by the key; empty for one of another library."""
    return _network_defaults().get(network, {})


def own_normalizer(model: ModelConfig) -> str | None:
    """The normaliser of a network in which others can stand; None for all other networks."""
    own: str | None = None if model.family in _ELSEWHERE else usual_of(model.name).get("normalizer")
    return own


def is_known(model: ModelConfig) -> bool:
    """Whether it is a network of this package."""
    return model.family not in _ELSEWHERE and model.name in _network_defaults()


def has_skip_gains(model: ModelConfig) -> bool:
    """Whether the branches of a network begin closed: NF networks, and those of some normalisers."""
    if own_normalizer(model) is not None:
        return facts_of(model.normalizer).skip_gains
    return model.normalizer != BATCHNORM


def network_names() -> list[str]:
    """The networks of this package."""
    return list(_network_defaults())


@cache
def _network_defaults() -> dict[str, dict[str, Any]]:
    """Network -> what it is built with where nothing is given; as the networks themselves say, see the tests."""
    content: dict[str, dict[str, Any]] = json.loads(
        Path(__file__).with_name("network_defaults.json").read_text(encoding="utf-8")
    )
    return content
