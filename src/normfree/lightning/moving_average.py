"""A moving average of the weights in anyone's LightningModule."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from normfree.config import UserError
from normfree.lightning.base import Callback
from normfree.lightning.network import network_of
from normfree.lightning.refusals import refuse_sharded
from normfree.optim import ExponentialMovingAverage


class MovingAverage(Callback):
    """Averages the weights at every optimizer step, and validates, tests and predicts with the average.

    The average is kept in checkpoints with the callback's state and goes on from there; the ``state_dict`` of a
    checkpoint has the weights as trained. The decay is warmed up, see `normfree.optim.ema_decay`.

    Attributes:
        average: `normfree.optim.ExponentialMovingAverage`, whose ``module`` is the averaged network: a copy of
            ``pl_module.network`` if there is such a module, else of the whole LightningModule; ``None`` before
            training.

    Args:
        decay: what the decay is warmed up to, in [0, 1).
        evaluate: False to validate, test and predict with the weights as trained.

    Raises:
        UserError: a decay outside [0, 1), or, when training starts, a strategy that cuts weights into pieces.
    """

    def __init__(self, decay: float = 0.99999, *, evaluate: bool = True) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"MovingAverage({decay}): decay has to be at least 0 and below 1")
        self.average: ExponentialMovingAverage | None = None
        self._decay = decay
        self._evaluate = evaluate
        self._step = 0
        self._restored: dict[str, Any] | None = None
        self._trained: list[Tensor] | None = None

    def state_dict(self) -> dict[str, Any]:
        return {} if self.average is None else self.average.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict or None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        why = "the weights, and the average is of whole ones"
        refuse_sharded(trainer, "MovingAverage", "leave MovingAverage out", why)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        # Only here is the network on its device and in its precision. Training again goes on with the average it has.
        if self.average is None or self._restored is not None:
            self._start(network_of(pl_module))
        self._step = trainer.global_step

    def _start(self, network: nn.Module) -> None:
        self.average = ExponentialMovingAverage(network, self._decay)
        if self._restored is not None:
            self.average.load_state_dict(self._restored)
            self._restored = None

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.average is not None and trainer.global_step > self._step:
            self._step = trainer.global_step
            self.average.update(network_of(pl_module))

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._put_in(pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._take_out(pl_module)

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._put_in(pl_module)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._take_out(pl_module)

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        self._put_in(pl_module)

    def on_predict_end(self, trainer: Any, pl_module: Any) -> None:
        self._take_out(pl_module)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._take_out(pl_module)

    @torch.no_grad()
    def _put_in(self, pl_module: Any) -> None:
        if not self._evaluate:
            return
        if self._restored is not None:
            self._start(network_of(pl_module))
        if self.average is None:
            return
        live = _tensors(network_of(pl_module))
        self._trained = [tensor.clone() for tensor in live]
        for tensor, averaged in zip(live, _tensors(self.average.module), strict=True):
            tensor.copy_(averaged)

    @torch.no_grad()
    def _take_out(self, pl_module: Any) -> None:
        if self._trained is None:
            return
        for tensor, trained in zip(_tensors(network_of(pl_module)), self._trained, strict=True):
            tensor.copy_(trained)
        self._trained = None


def _tensors(network: nn.Module) -> list[Tensor]:
    return list(chain(network.parameters(), network.buffers()))
