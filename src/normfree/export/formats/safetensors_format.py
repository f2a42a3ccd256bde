"""Weights alone, unfolded, with what this package needs to build the network again and others to use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from normfree.config import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.export.subject import Subject

ABOUT = "the weights as trained, not folded; normfree evaluate and load_weights read it, to train on too"
SUFFIX = ".safetensors"
FOLDED = False


def require() -> None:
    """It is a requirement of this package."""


def write(subject: Subject, path: Path) -> None:
    """As `normfree.nets.save_weights`, with the metadata as provenance.

    Raises:
        UserError: the network cannot be built again from a name.
    """
    import json

    from normfree.nets import save_weights
    from normfree.train.parts.network import described

    content = json.loads(described(subject.trained.resolved))
    if "target" in content:
        raise UserError(
            f"format=safetensors: {content['target']} is a network of your own, which a file of weights cannot build "
            "again; use format=torch_export or format=onnx"
        )
    save_weights(
        subject.trained.network, path, architecture=content.pop("name"), overrides=content, provenance=subject.metadata
    )


def read(path: Path) -> Callable[[Tensor], Tensor]:
    """By `normfree.trained.from_file`, which asks nothing but the file."""
    import torch

    from normfree.trained import from_file

    network = from_file(path).network

    @torch.no_grad()
    def computed(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        return logits

    return computed
