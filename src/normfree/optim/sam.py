"""Sharpness-aware minimization (SAM): the gradient is taken where the loss is highest nearby.

Source: Foret et al. 2021 (arXiv 2010.01412), equations 2 and 3 with p = 2; the ascent on a part of the batch is
that of Brock et al. 2021 (arXiv 2102.06171, section 5), who take a fifth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

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

    def ascend(
        self,
        *losses: Callable[[], Tensor],
        total: Callable[[Sequence[Tensor]], None] = lambda gradients: None,
    ) -> None:
        """Move the weights by rho along the gradient of the sum of `losses`; ``parameter.grad`` is neither read nor
        written.

        Args:
            losses: of the parts that the ascent is computed on, one after the other. None where other devices have all.
            total: adds up the gradients of several devices, in place, in the order of the parameters.

        Raises:
            RuntimeError: the weights of an earlier call have not been restored.
        """
        if self._kept:
            raise RuntimeError("ascend() twice without restore()")
        parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        buffers = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        directions = self._gradients(losses[0], parameters) if losses else [torch.zeros_like(p) for p in parameters]
        for loss in losses[1:]:
            torch._foreach_add_(directions, self._gradients(loss, parameters))
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
            total(directions)
            scale = self._rho / get_total_norm(directions).clamp_min(_SMALLEST_NORM)
            self._kept = [(parameter, parameter.detach().clone()) for parameter in parameters]
            torch._foreach_add_(list[Tensor](parameters), list(torch._foreach_mul(directions, scale)))

    @staticmethod
    def _gradients(loss: Callable[[], Tensor], parameters: list[nn.Parameter]) -> list[Tensor]:
        value = loss()
        with torch.autocast(value.device.type, enabled=False):
            gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]

    @torch.no_grad()
    def restore(self) -> None:
        """Put the weights back, bit for bit; without an ascent before it this does nothing."""
        for parameter, before in self._kept:
            parameter.copy_(before)
        self._kept = []


def ascent_samples(samples: int, share: float) -> int:
    """``share * samples``, rounded up: at least 1."""
    return max(1, math.ceil(round(share * samples, 6)))
