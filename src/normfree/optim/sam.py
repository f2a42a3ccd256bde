"""Sharpness-aware minimization (SAM): the gradient is taken where the loss is highest nearby.

Source: Foret et al. 2021 (arXiv 2010.01412), equations 2 and 3 with p = 2; the ascent on a part of the batch is
that of Brock et al. 2021 (arXiv 2102.06171, section 5), who take a fifth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

_SMALLEST_NORM = 1e-30  # a gradient of zero moves nothing instead of dividing by zero


class SharpnessAware:
    """Moves the weights uphill before the gradient of a step, and back after it.

    ::

        sam.ascend(lambda: loss(model(x[:sam.part(len(x))]), ...))   # w <- w + rho * g / ||g||
        loss(model(x), ...).backward()                               # the gradient of the step
        sam.restore()                                                # w, bit for bit
        clip, optimizer.step()

    ``||g||`` is the norm of all gradients together. Weight decay is no part of g. Buffers are as before the
    ascent, so that BatchNorm's running statistics move once a step, with the whole batch. Random layers (dropout,
    stochastic depth) draw anew in the second pass.

    Args:
        model: its parameters that require a gradient are moved.
        rho: how far, in the Euclidean norm over all of them; greater than 0.
        share: the part of the batch that the ascent is computed on, in (0, 1].

    Raises:
        ValueError: rho or share out of range.
    """

    def __init__(self, model: nn.Module, rho: float = 0.05, share: float = 0.2) -> None:
        if not rho > 0:
            raise ValueError(f"rho={rho}: has to be greater than 0")
        if not 0 < share <= 1:
            raise ValueError(f"share={share}: has to be greater than 0 and at most 1")
        self._model = model
        self._rho = rho
        self._share = share
        self._kept: list[tuple[Tensor, Tensor]] = []

    def part(self, samples: int) -> int:
        """How many of a batch's `samples` the ascent uses: the share, rounded up."""
        return ascent_samples(samples, self._share)

    def ascend(self, loss: Callable[[], Tensor]) -> None:
        """Move the weights by rho along the gradient of `loss`; ``parameter.grad`` is neither read nor written.

        Raises:
            RuntimeError: the weights of an earlier call have not been restored.
        """
        if self._kept:
            raise RuntimeError("ascend() twice without restore()")
        parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        buffers = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        value = loss()
        with torch.autocast(value.device.type, enabled=False):
            gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
            moved = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
            directions = [gradient for _, gradient in moved]
            scale = self._rho / get_total_norm(directions).clamp_min(_SMALLEST_NORM)
            self._kept = [(parameter, parameter.detach().clone()) for parameter, _ in moved]
            torch._foreach_add_([parameter for parameter, _ in moved], torch._foreach_mul(directions, scale))

    @torch.no_grad()
    def restore(self) -> None:
        """Put the weights back, bit for bit; without an ascent before it this does nothing."""
        for parameter, before in self._kept:
            parameter.copy_(before)
        self._kept = []


def ascent_samples(samples: int, share: float) -> int:
    """``share * samples``, rounded up: at least 1."""
    return max(1, math.ceil(round(share * samples, 6)))
