"""The clippers that are objects, by name: most of them know the norms of earlier steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from torch import Tensor

from normfree.clip.adagc import AdaGC
from normfree.clip.autoclip import AutoClip
from normfree.clip.per_tensor import PerTensor
from normfree.clip.statistics import ClipStatistics
from normfree.clip.zclip import ZClip


class StatefulClipper(Protocol):
    """Clips gradients in place once per optimizer step; what it knows of earlier steps is kept with a checkpoint."""

    def __call__(self, parameters: Iterable[Tensor]) -> ClipStatistics: ...

    def state_dict(self) -> dict[str, Any]:
        """What it knows of earlier steps; numbers and tensors that a checkpoint can hold."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Know what `state_dict` gave."""
        ...


CLIPPERS: dict[str, Callable[..., StatefulClipper]] = {
    "zclip": ZClip,
    "adagc": AdaGC,
    "autoclip": AutoClip,
    "per_tensor": PerTensor,
}
"""By the names of ``clip=``; options are the arguments of the class."""
