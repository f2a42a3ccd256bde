"""The stop at the first loss or gradient that is not finite, before it reaches a weight."""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from normfree.data import Batch
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.callbacks.monitor import Monitor
from normfree.train.module import Classifier
from normfree.train.world import ALONE, World

_NORMS = 3


class FiniteGuard(pl.Callback):
    """Ends a run whose loss or gradient is not finite as diverged, with the step, the layer and the last norms.

    A step is not taken then: its gradients are dropped. On a processor that is seen in the same step. A GPU is not
    waited for: what a step found is read in the next one, which then is not taken.

    Args:
        clipping: must come before this one; its statistics cover clip=none too.
        monitor: told the reason, and to write a last row.
        world: what one rank finds, all act on in the same step.
    """

    def __init__(self, clipping: GradientClipping, monitor: Monitor, world: World = ALONE) -> None:
        self._clipping = clipping
        self._monitor = monitor
        self._world = world
        self._norms: deque[Tensor] = deque(maxlen=_NORMS)
        self._batch: Batch | None = None
        self._pending: tuple[Tensor, torch.cuda.Event] | None = None

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        self._batch = batch

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        assert isinstance(pl_module, Classifier)
        statistics = self._clipping.statistics
        assert statistics is not None
        self._norms.append(statistics.norm_before)
        broken = pl_module.last_loss.isfinite().logical_not()
        # A gradient that overflows float16 is the gradient scaler's affair.
        if trainer.precision != "16-mixed":
            broken = broken.logical_or(statistics.nonfinite.to(broken.device))
        if not self._found(self._world.any_on_device(broken)):
            return
        self._monitor.diverged(self._reason(trainer.global_step + 1, pl_module))
        for parameter in pl_module.parameters():
            parameter.grad = None

    def _found(self, broken: Tensor) -> bool:
        if not broken.is_cuda:
            return bool(broken)
        before, self._pending = self._pending, _on_its_way(broken)
        if before is None:
            return False
        before[1].synchronize()
        return bool(before[0])

    def _reason(self, step: int, module: Classifier) -> str:
        *before, last = (f"{float(norm):.3g}" for norm in self._norms)
        assert self._batch is not None
        layer = first_nonfinite_layer(module.network, self._batch.images) or _first_nonfinite_gradient(module.network)
        where = f"; first not finite: {layer}" if layer else ""
        earlier = f"; gradient norm of the steps before {', '.join(before)}" if before else ""
        return f"training loss {float(module.last_loss):.4g}, gradient norm {last} at step {step}{where}{earlier}"


def _on_its_way(flag: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    host = torch.empty(flag.shape, dtype=flag.dtype, pin_memory=True)
    host.copy_(flag, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record()
    return host, event


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


def _first_nonfinite_gradient(network: nn.Module) -> str | None:
    """Where backpropagation, which goes from the last parameter to the first, met it first."""
    for name, parameter in reversed(list(network.named_parameters())):
        if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
            return f"the gradient of {name}"
    return None
