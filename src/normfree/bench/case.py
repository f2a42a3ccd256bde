"""One network in one precision and memory format on one device: what is called and timed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PRECISIONS = ("fp32", "bf16")
LAYOUTS = ("nchw", "nhwc")


@dataclass(frozen=True)
class Case:
    """One network in one precision and layout on one device."""

    model: str
    precision: str
    layout: str
    image_size: int
    device: torch.device
    compiled: bool

    def prepared(self, network: nn.Module) -> nn.Module:
        """The network itself, on the device, in the layout and compiled if the case is."""
        network = self.placed(network)
        if self.compiled:
            network.compile()
        return network

    def placed(self, network: nn.Module) -> nn.Module:
        """The network itself, on the device and in the layout."""
        return network.to(self.device, memory_format=self.memory_format)  # type: ignore[call-overload, no-any-return]

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "nhwc" else torch.contiguous_format

    def images(self, batch: int) -> Tensor:
        images = torch.randn(batch, 3, self.image_size, self.image_size, device=self.device)
        return images.contiguous(memory_format=self.memory_format)

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def step(self, network: nn.Module, batch: int) -> Callable[[], None]:
        """Forward and backward pass; the optimizer is the same for everyone and left out."""
        network.train()
        images, labels = self.images(batch), torch.randint(0, 1000, (batch,), device=self.device)

        def call() -> None:
            network.zero_grad(set_to_none=True)
            with self.autocast():
                logits = network(images)
            F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]

        return call

    def inference(self, network: nn.Module, batch: int) -> Callable[[], None]:
        network.eval()
        images = self.images(batch)

        def call() -> None:
            with torch.inference_mode(), self.autocast():
                network(images)

        return call

    def columns(self, what: str, batch: int) -> dict[str, Any]:
        return {
            "model": self.model,
            "what": what,
            "precision": self.precision,
            "layout": self.layout,
            "image_size": self.image_size,
            "batch": batch,
        }
