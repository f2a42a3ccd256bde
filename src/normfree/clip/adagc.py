"""Clipping of every tensor by the average of its own clipped norms.

Source: Wang et al. 2025 (arXiv 2502.11034), algorithm 1. With the average a of a tensor's clipped norms:

    g <- g min(1, max_ratio a / ||g||)
    a <- d a + (1 - d) ||g||, of the clipped g

In the first `warmup_steps` steps all gradients together are limited to `max_norm`, and a is the smallest of the
tensor's clipped norms. Here a norm of exactly 0 is none of these: in a residual branch that a skip gain of 0 shuts off,
all gradients begin at 0, and a would stay 0 and the branch as it is for ever. A norm that is small while a branch opens
does count, and a grows by no more than ``1 + (1 - d) (max_ratio - 1)`` times a step: see ``conf/clip/adagc.yaml``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from normfree.clip.statistics import UnitStatistics
from normfree.clip.tensors import TensorGradients

_LEAST = 1e-30


class AdaGC:
    """Limits, in place, the gradient norm of every tensor to a multiple of its average.

    Call it once per optimizer step with the same parameters in the same order, on full and unscaled gradients. A tensor
    without a gradient is skipped. One whose norm is not finite is left as it is, and so is its average; in warm-up all
    are then. No GPU is waited for.

    Args:
        max_ratio: the paper's lambda_rel: the largest norm of a tensor's gradient, over its average.
        decay: of the average, in [0, 1); the paper's beta.
        warmup_steps: first calls, in which all gradients together are limited.
        max_norm: their largest norm then, the paper's lambda_abs.

    Raises:
        ValueError: a value outside of its range.
    """

    def __init__(
        self, max_ratio: float = 1.05, decay: float = 0.98, warmup_steps: int = 100, max_norm: float = 1.0
    ) -> None:
        for name, value in (("max_ratio", max_ratio), ("max_norm", max_norm)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}={value}: give a positive number")
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay}: has to be at least 0 and below 1")
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps={warmup_steps}: has to be at least 0")
        self._ratio, self._decay, self._warmup, self._max_norm = max_ratio, decay, warmup_steps, max_norm
        self._steps = 0
        self._averages: Tensor | None = None  # of all parameters; infinite where there is none yet
        self._index: tuple[tuple[int, ...], Tensor] | None = None

    @torch.no_grad()
    def __call__(self, parameters: Tensor | Iterable[Tensor]) -> UnitStatistics:
        """Clips the gradients of `parameters`.

        Raises:
            ValueError: they are not as many as before.
        """
        parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        if self._averages is not None and len(self._averages) != len(parameters):
            raise ValueError(f"AdaGC: {len(parameters)} parameters, {len(self._averages)} before; give the same ones")
        tensors = TensorGradients(parameters)
        if not len(tensors):
            return UnitStatistics((), self._ratio)
        norms = tensors.norms
        if self._averages is None:
            self._averages = norms.new_full((len(parameters),), math.inf)
        self._averages = self._averages.to(norms.device)
        index = self._indices(tensors.places, norms.device)
        average = self._averages.index_select(0, index)
        finite = norms.isfinite()
        if warm := self._steps < self._warmup:
            total = torch.linalg.vector_norm(norms)
            finite = total.isfinite().expand_as(norms)
            limit = torch.where(finite & (norms > 0), norms * (self._max_norm / total.clamp(min=_LEAST)), math.inf)
        else:
            limit = self._ratio * average
        units = tensors.limit_(limit)
        left = norms * units.scale
        moved = torch.minimum(average, left) if warm else self._decay * average + (1 - self._decay) * left
        moved = torch.where(average.isinf(), left, moved)
        known = finite & ((left > 0) | average.isfinite()) & ((left > 0) if warm else True)
        self._averages = self._averages.index_copy(0, index, torch.where(known, moved, average))
        self._steps += 1
        return UnitStatistics((units,), self._ratio)

    def _indices(self, places: tuple[int, ...], device: torch.device) -> Tensor:
        """On the device; the one of the call before where the same parameters have a gradient."""
        if self._index is None or self._index[0] != places or self._index[1].device != device:
            self._index = places, torch.tensor(places).to(device, non_blocking=True)
        return self._index[1]

    def state_dict(self) -> dict[str, Any]:
        """``steps`` and ``averages``, one a parameter, ``[P]``, infinite where there is none yet."""
        return {} if self._averages is None else {"steps": self._steps, "averages": self._averages.cpu()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._steps = int(state.get("steps", 0))
        self._averages = state["averages"].clone() if "averages" in state else None
