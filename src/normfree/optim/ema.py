"""The exponential moving average of a network's weights.

Source: the released NFNet code (``nfnets/experiment.py`` and ``utils.tf1_ema`` of deepmind-research): the average
starts as a copy, moves after every optimizer step with a decay that is warmed up, and covers the parameters and
the state (the running statistics of BatchNorm).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


def ema_decay(step: int, decay: float) -> float:
    """``min(decay, (1 + step) / (10 + step))`` with `step` counted from 0: 0.1, 0.18, 0.25, ...

    The released decay of 0.99999 is reached at step 899,990: in shorter runs the warm-up is all there is.
    """
    return min(decay, (1 + step) / (10 + step))


class ExponentialMovingAverage:
    """A copy of a network that follows it: ``average += (1 - decay) * (current - average)``.

    Parameters and floating-point buffers are averaged, in their own type or float32 if that is shorter; other
    buffers (BatchNorm's count of batches) are copied. Nothing waits for the device.

    Attributes:
        module: the network with the averaged weights, in eval mode and without gradients.
        updates: how often `update` has been called; the step of `ema_decay`.

    Args:
        model: the network to follow; it stays as it is.
        decay: what the decay is warmed up to, in [0, 1).

    Raises:
        ValueError: a decay outside [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float = 0.99999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay}: has to be at least 0 and below 1")
        self.decay = decay
        self.updates = 0
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        for tensor in _tensors(self.module):
            if tensor.is_floating_point() and tensor.itemsize < torch.float32.itemsize:
                tensor.data = tensor.data.float()

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Follow `model` by one step; to be called after every optimizer step."""
        averages, currents = [], []
        for average, current in zip(_tensors(self.module), _tensors(model), strict=True):
            if average.is_floating_point():
                averages.append(average)
                currents.append(current.to(average.dtype))
            else:
                average.copy_(current)
        torch._foreach_lerp_(averages, currents, 1 - ema_decay(self.updates, self.decay))
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """``updates`` and ``weights``, the state dict of `module` (not a copy)."""
        return {"updates": self.updates, "weights": self.module.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.updates = int(state["updates"])
        self.module.load_state_dict(state["weights"])


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    return chain(model.parameters(), model.buffers())
