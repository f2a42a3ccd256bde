"""Numbers that are not finite: where a network first computes one, and asking without waiting for a GPU."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


def first_nonfinite_layer(network: nn.Module, images: Tensor) -> str | None:
    """Name of the first module without children, in the order of a forward pass, whose output is not finite.

    A copy of the network does the pass, in training mode; dropout and stochastic depth draw anew.
    """
    probe = copy.deepcopy(network)
    found: list[str] = []

    def look(name: str, output: Any) -> None:
        if not found and isinstance(output, Tensor) and not bool(output.isfinite().all()):
            found.append(name)

    for name, module in probe.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _module, _inputs, output, name=name: look(name, output))
    with torch.no_grad():
        probe(images)
    return found[0] if found else None


def first_nonfinite_gradient(network: nn.Module) -> str | None:
    """Name of the gradient in which backpropagation, which goes from the last parameter to the first, met it first."""
    for name, parameter in reversed(list(network.named_parameters())):
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            return f"the gradient of {name}"
    return None


class Later:
    """Reads flags of shape ``()`` without waiting for a GPU: each in the place of the next one."""

    def __init__(self) -> None:
        self._pending: tuple[Tensor, torch.cuda.Event] | None = None

    def read(self, flag: Tensor) -> bool:
        """The flag, or, of a GPU, the one before it (False before the first)."""
        if not flag.is_cuda:
            return bool(flag)
        before = self.last()
        self._pending = _on_its_way(flag)
        return before

    def last(self) -> bool:
        """The flag that has not been read yet; False where there is none. Waits for it."""
        before, self._pending = self._pending, None
        if before is None:
            return False
        before[1].synchronize()
        return bool(before[0])


def _on_its_way(flag: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    host = torch.empty(flag.shape, dtype=flag.dtype, pin_memory=True)
    host.copy_(flag, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return host, event
