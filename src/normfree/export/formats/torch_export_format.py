"""PyTorch's own: ``torch.export.save``, which ``torch.export.load`` and AOTInductor read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.export.subject import Subject

ABOUT = "a graph that torch.export.load reads, without this package"
SUFFIX = ".pt2"
FOLDED = True
METADATA = "normfree.json"
"""The extra file within, with the metadata as JSON."""


def require() -> None:
    """Torch is there."""


def write(subject: Subject, path: Path) -> None:
    """The first axis is free; metadata lies beside the graph as `METADATA`."""
    import io
    import json

    import torch

    # By way of memory: where torch's own writer finds no room, it ends the process.
    content = io.BytesIO()
    torch.export.save(subject.captured(), content, extra_files={METADATA: json.dumps(dict(subject.metadata))})
    path.write_bytes(content.getbuffer())


def read(path: Path) -> Callable[[Tensor], Tensor]:
    """By ``torch.export.load``."""
    import torch

    module = torch.export.load(path).module()

    @torch.no_grad()
    def computed(images: Tensor) -> Tensor:
        logits: Tensor = module(images)
        return logits

    return computed
