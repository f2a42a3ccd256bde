"""One network in one precision and memory format on one device: what is called and timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import UserError
from normfree.nets.map_passes import launching_is_free
from normfree.train.parts.compiled import compile_mode

PRECISIONS = ("fp32", "bf16")
LAYOUTS = ("nchw", "nhwc")
FORMS = ("eager", "captured", "compiled")
"""As it is written; the same launches replayed by the GPU alone, as a CUDA graph; by torch.compile."""
_WARMUP = 3
"""Calls before a capture, in which libraries choose their algorithms."""


@dataclass(frozen=True)
class Case:
    """One network in one precision, layout and form (of `FORMS`) on one device."""

    model: str
    precision: str
    layout: str
    image_size: int
    device: torch.device
    form: str

    def prepared(self, network: nn.Module) -> nn.Module:
        """The network itself, on the device, in the layout and compiled if the case is."""
        network = self.placed(network)
        if self.form == "compiled":
            network.compile(mode=compile_mode(self.device))
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
        if self.precision == "fp32":
            return nullcontext()
        # A graph keeps no copies of weights from one replay to the next.
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=self.form != "captured")

    def step(self, network: nn.Module, batch: int) -> Callable[[], None]:
        """Forward and backward pass; the optimizer is the same for everyone and left out."""
        network.train()
        images, labels = self.images(batch), torch.randint(0, 1000, (batch,), device=self.device)

        def call() -> None:
            network.zero_grad(set_to_none=True)
            with self.autocast():
                logits = network(images)
            F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]

        return self.captured(call)

    def inference(self, network: nn.Module, batch: int) -> Callable[[], None]:
        network.eval()
        images = self.images(batch)

        def call() -> None:
            with torch.inference_mode(), self.autocast():
                network(images)

        return self.captured(call)

    def captured(self, call: Callable[[], None]) -> Callable[[], None]:
        """`call`, or where the case is captured the replay of what it launches: it is called some times before."""
        if self.form != "captured":
            return call
        side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(self.device))
        graph = torch.cuda.CUDAGraph()
        with launching_is_free():
            with torch.cuda.stream(side):
                for _ in range(_WARMUP):
                    call()
            torch.cuda.current_stream(self.device).wait_stream(side)
            with torch.cuda.graph(graph):
                call()

        def replay(keeps: Callable[[], None] = call) -> None:
            """What the call holds, its images too, is what the graph reads."""
            graph.replay()

        return replay

    def columns(self, what: str, batch: int) -> dict[str, Any]:
        return {
            "model": self.model,
            "what": what,
            "precision": self.precision,
            "layout": self.layout,
            "image_size": self.image_size,
            "batch": batch,
        }


def refuse_captured(forms: Sequence[str], device: torch.device) -> None:
    """Raises UserError where a form is ``captured`` and the device has no graphs."""
    if "captured" in forms and device.type != "cuda":
        raise UserError(f"form={','.join(forms)}: CUDA graphs are for a GPU; leave out captured, or give device=cuda")
