"""What do you gain or lose, on your data and your hardware, if you take BatchNorm out?

``import normfree`` stays light: torch is imported when a name that needs it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normfree import api, clip, lightning, nets, optim
    from normfree.clip import clip_grad_agc_
    from normfree.nets import create_model, fold, list_models, load_weights

__version__ = "0.2.0"

__all__ = [
    "__version__",
    "api",
    "clip",
    "clip_grad_agc_",
    "create_model",
    "fold",
    "lightning",
    "list_models",
    "load_weights",
    "nets",
    "optim",
]

_PARTS = ("api", "clip", "lightning", "nets", "optim")
_HOME = {
    "clip_grad_agc_": "normfree.clip",
    "create_model": "normfree.nets",
    "fold": "normfree.nets",
    "list_models": "normfree.nets",
    "load_weights": "normfree.nets",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _PARTS:
        return import_module(f"normfree.{name}")
    raise AttributeError(f"module 'normfree' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
