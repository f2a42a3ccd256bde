"""Clipping at a percentile of all norms so far.

Source: Seetharaman et al. 2020, "AutoClip: adaptive gradient clipping for source separation networks" (arXiv
2007.14469), algorithm 1: the norm of a step is among those that its own threshold is taken of, so that the first step
is never clipped, and of later ones about ``100 - percentile`` of 100 are.

All norms count for ever, as in the paper. They are kept in order, 8 bytes a step (a megabyte for 131,072 steps); one is
put in its place, and a percentile read, without sorting and without waiting for the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from normfree.clip.one_factor import common_norm, scale_to_
from normfree.clip.statistics import NormStatistics, UnitStatistics, parameters_with_gradient

_ROOM = 1024


class AutoClip:
    """Limits, in place, the norm of all gradients together to a percentile of its history.

    Call it once per optimizer step, on full and unscaled gradients. A norm that is not finite is reported, leaves the
    gradients as they are and is no part of the history. No GPU is waited for.

    Args:
        percentile: from 0 (the smallest norm so far) to 100 (none is clipped), between two norms in proportion.

    Raises:
        ValueError: a percentile outside of that.
    """

    def __init__(self, percentile: float = 10.0) -> None:
        if not 0 <= percentile <= 100:
            raise ValueError(f"percentile={percentile}: has to be from 0 to 100")
        self._share = percentile / 100
        self._calls = 0
        self._norms: Tensor | None = None  # ascending, with room of infinities behind
        self._count: Tensor | None = None

    @torch.no_grad()
    def __call__(self, parameters: Tensor | Iterable[Tensor]) -> NormStatistics | UnitStatistics:
        """Clips the gradients of `parameters`; those without one are skipped. ``limit`` of the answer is the
        percentile."""
        gradients = [gradient for _, _, gradient in parameters_with_gradient(parameters)]
        if not gradients:
            return UnitStatistics((), 1.0)
        norm = common_norm(gradients)
        return scale_to_(gradients, norm, self._percentile_with(norm))

    def _percentile_with(self, norm: Tensor) -> Tensor:
        norms = norm.new_full((_ROOM,), math.inf) if self._norms is None else self._norms.to(norm.device)
        count = norm.new_zeros(()) if self._count is None else self._count.to(norm.device)
        if self._calls == len(norms):
            norms = torch.cat([norms, torch.full_like(norms, math.inf)])
        finite = norm.isfinite()
        # An infinity goes among the infinities, where it changes nothing.
        fresh = torch.where(finite, norm, math.inf).view(1)
        place = torch.searchsorted(norms, fresh)
        places = torch.arange(len(norms), device=norm.device)
        later = torch.cat([fresh, norms[:-1]])
        norms = torch.where(places < place, norms, torch.where(places == place, fresh, later))
        count = count + finite
        self._norms, self._count, self._calls = norms, count, self._calls + 1

        last = (count - 1).clamp(min=0)
        position = self._share * last
        below = position.floor()
        lower, upper = norms.gather(0, torch.stack([below, torch.minimum(below + 1, last)]).long()).unbind()
        return torch.where(count > 0, lower + (position - below) * (upper - lower), math.inf)

    def state_dict(self) -> dict[str, Any]:
        """``norms``, the history in ascending order, ``[steps]``."""
        return {} if self._norms is None else {"norms": (found := self._norms.cpu())[found.isfinite()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        if "norms" not in state:
            self._calls, self._norms, self._count = 0, None, None
            return
        found: Tensor = state["norms"]
        self._calls = len(found)
        room = _ROOM * 2 ** max(0, math.ceil(math.log2(max(1, self._calls) / _ROOM)))
        self._norms = torch.cat([found, found.new_full((room - self._calls,), math.inf)])
        self._count = found.new_tensor(float(self._calls))
