"""What of timm takes part, without types, as most of timm is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

data: Any = import_module("timm.data")
layers: Any = import_module("timm.layers")
loss: Any = import_module("timm.loss")
models: Any = import_module("timm.models")
nfnet: Any = import_module("timm.models.nfnet")
optim: Any = import_module("timm.optim")
scheduler: Any = import_module("timm.scheduler")
utils: Any = import_module("timm.utils")


def clip(parameters: list[Any], factor: float, eps: float) -> None:
    """timm's AGC. ``dispatch_clip_grad`` hands on no ``eps``, and with its default skip gains open later than ours."""
    utils.agc.adaptive_clip_grad(parameters, factor, eps=eps)
