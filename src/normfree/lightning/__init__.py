"""Callbacks for any LightningModule, of ``pytorch_lightning`` as of ``lightning``.

    from normfree.lightning import Divergence, GradientClipping, MovingAverage

    Trainer(callbacks=[GradientClipping("agc", clip_factor=0.01), MovingAverage(0.999), Divergence()])

Lightning is imported when one of them is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from normfree.lightning.clipping import GradientClipping
    from normfree.lightning.divergence import Divergence
    from normfree.lightning.moving_average import MovingAverage

__all__ = ["Divergence", "GradientClipping", "MovingAverage"]

_HOME = {"Divergence": "divergence", "GradientClipping": "clipping", "MovingAverage": "moving_average"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
