"""A network with its weights, its preprocessing and the names of its classes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from normfree.config import Resolved
from normfree.nets import fold
from normfree.trained.preprocessing import Preprocessing


@dataclass(frozen=True)
class Trained:
    """What came out of a training, ready for images.

    Attributes:
        network: in evaluation mode: normalised ``[N, C, H, W]`` -> logits ``[N, K]``.
        classes: a name for each of the K numbers; the numbers themselves where there are no names.
        model: as ``model=`` has it.
        name: of the run, or of the file.
        about: what is told of it: checkpoint, weights (``raw`` or ``ema``), sha256 of the file, folded.
        resolved: the run's configuration, or for a file that of its model alone.
        published_top1: percent on ImageNet, for a variant whose weights were released, at its own test size.
    """

    network: nn.Module = field(repr=False)
    preprocessing: Preprocessing
    classes: tuple[str, ...] = field(repr=False)
    model: str
    name: str
    about: dict[str, Any]
    resolved: Resolved = field(repr=False)
    published_top1: float | None = None

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """float32 ``[N, K]`` of uint8 ``[N, C, S, S]`` as `Preprocessing.tested` gives them."""
        weights = next(self.network.parameters())
        inputs = self.preprocessing.normalised(images.to(weights.device)).to(weights.dtype)
        logits: Tensor = self.network(inputs)
        return logits.float()

    def probabilities(self, images: Tensor) -> Tensor:
        """float32 ``[N, K]``, each row of sum 1, of uint8 ``[N, C, S, S]``."""
        return self.logits(images).softmax(1)

    @property
    def title(self) -> str:
        """The name without a file's ending, to call other files by."""
        return self.name if "checkpoint" in self.about else Path(self.name).stem

    def folded(self) -> Trained:
        """The same with its weights worked out once: same outputs, less work. Itself where a normaliser forbids it."""
        if not getattr(self.network, "foldable", True):
            return self
        return replace(self, network=fold(self.network), about={**self.about, "folded": True})

    def at(self, size: int | None) -> Trained:
        """The same on images of another size."""
        return self if size is None else replace(self, preprocessing=self.preprocessing.at(size))
