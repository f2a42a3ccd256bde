"""What the layers of a network that is not of this package normalise by."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

_KINDS = {
    "_BatchNorm": "batchnorm",
    "_InstanceNorm": "instancenorm",
    "GroupNorm": "groupnorm",
    "LayerNorm": "layernorm",
    "RMSNorm": "rmsnorm",
    "RmsNorm": "rmsnorm",
    "RmsNorm2d": "rmsnorm",
    "SimpleNorm": "rmsnorm",
    "SimpleNorm2d": "rmsnorm",
    "FilterResponseNormTlu2d": "frn",
    "FilterResponseNormAct2d": "frn",
    "EvoNorm2dB0": "evonorm_b0",
    "EvoNorm2dS0": "evonorm_s0",
    "EvoNorm2dS0a": "evonorm_s0",
}
"""Class of torch or timm -> the name of the normaliser; the first base class that is here says it."""

OTHER = "other"
"""A layer that is called a norm and is none of these."""


def found_normalizer(network: nn.Module) -> str:
    """``batchnorm`` wherever there is one, else the kind that most layers are of, `OTHER`, or ``none``."""
    kinds = list(_kinds(network))
    if not kinds or "batchnorm" in kinds:
        return "batchnorm" if kinds else "none"
    return max(dict.fromkeys(kinds), key=kinds.count)


def _kinds(network: nn.Module) -> Iterator[str]:
    for layer in network.modules():
        names = [base.__name__ for base in type(layer).__mro__]
        known = next((_KINDS[name] for name in names if name in _KINDS), None)
        if known is not None:
            yield known
        elif (
            "norm" in names[0].lower()
            and next(layer.children(), None) is None
            and any(True for _ in layer.parameters())
        ):
            yield OTHER
