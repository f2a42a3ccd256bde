"""What the layers of a network that is not of this package normalise by.

``layers.json`` says it by the name of a class of torch or timm; a network of the user's own is told by the same table
before there is torch (`normfree.config.own_model`), and a test holds both to the same answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from torch import nn

LAYERS: dict[str, str] = json.loads(Path(__file__).with_name("layers.json").read_text(encoding="utf-8"))
"""Class of torch or timm -> the name of the normaliser; the first base class that is here says it."""

OTHER = "other"
"""A layer that is called a norm and is none of these."""


def found_normalizer(network: nn.Module) -> str:
    """``batchnorm`` wherever there is one, else the kind that most layers are of; where that is `OTHER` or nothing,
    what the network says that it has, as those of this package do.
    """
    kinds = list(_kinds(network))
    most = "batchnorm" if "batchnorm" in kinds else max(dict.fromkeys(kinds), key=kinds.count, default="none")
    told = getattr(network, "normalizer", None)
    return told if most in ("none", OTHER) and isinstance(told, str) else most


def _kinds(network: nn.Module) -> Iterator[str]:
    for layer in network.modules():
        names = [base.__name__ for base in type(layer).__mro__]
        known = next((LAYERS[name] for name in names if name in LAYERS), None)
        if known is not None:
            yield known
            continue
        parts, weights = next(layer.children(), None), next(layer.parameters(), None)
        if "norm" in names[0].lower() and parts is None and weights is not None:
            yield OTHER
