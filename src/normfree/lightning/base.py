"""The base of callbacks that both Lightning packages take for their own.

``pytorch_lightning`` and ``lightning`` hold the same code twice: a callback of one is none to a trainer of the other.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

PACKAGES = ("pytorch_lightning", "lightning.pytorch")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


if TYPE_CHECKING:
    from pytorch_lightning import Callback as Callback
else:
    Callback = type(
        "Callback",
        tuple(import_module(module).Callback for module in PACKAGES if _installed(module)),
        {"__module__": __name__, "__doc__": "A callback of every Lightning package that is installed."},
    )
