"""Adaptive gradient clipping.

Source: Brock et al. 2021 (arXiv 2102.06171), section 4.1, equation 3, as in its released code. For a unit
with parameter p and gradient g:

    limit = clip_factor * max(||p||, eps)
    g <- g * limit / max(||g||, 1e-6)    if ||g|| > limit
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from normfree.clip.backends import BACKENDS, choose
from normfree.clip.norms import Clippable
from normfree.clip.statistics import UnitStatistics, parameters_with_gradient
from normfree.clip.units import unit_dims


@torch.no_grad()
def clip_grad_agc_(
    parameters: Tensor | Iterable[Tensor],
    clip_factor: float = 0.01,
    eps: float | Sequence[float] = 1e-3,
    unit: str = "deepmind",
    *,
    backend: str | None = None,
) -> UnitStatistics:
    """Limits, in place, the gradient norm of every unit to a share of its parameter norm.

    Call it once per optimizer step, on full and unscaled gradients, before weight decay and momentum.
    Parameters without a gradient are skipped. Half-precision norms are taken in float32. A unit whose
    gradient norm is not finite is left as it is and does not touch the others; units that are not clipped
    keep every bit. No GPU is waited for.

    Args:
        parameters: one parameter or many, of any rank, dtype and memory format; see `clipped_parameters`.
        clip_factor: the paper's lambda.
        eps: floor of the parameter norm, without which parameters that start at zero would never move; one for all, or
            one for each parameter, see `floors`.
        unit: what shares one norm: ``"deepmind"`` (released code), ``"timm"`` or ``"tensor"``.
        backend: the code that does it, one of `BACKENDS`; None chooses by the device, see `backend`.

    Raises:
        ValueError: a factor or eps that is not positive and finite, floors that are not as many as the parameters, or
            an unknown unit or backend.
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    floors = [*eps] if isinstance(eps, Sequence) else [eps] * len(parameters)
    if len(floors) != len(parameters):
        raise ValueError(f"eps: {len(floors)} floors for {len(parameters)} parameters; give one for each, or a number")
    different = {*eps} if isinstance(eps, Sequence) else {eps}
    for name, value in (("clip_factor", clip_factor), *(("eps", each) for each in different)):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name}={value}: give a positive number")
    unit_dims((), unit)
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"unknown clipping backend {backend!r}; choose one of {', '.join(BACKENDS)}")
    alike: dict[tuple[torch.device, float], list[Clippable]] = {}
    for place, parameter, gradient in parameters_with_gradient(parameters):
        if gradient.layout != torch.strided:
            raise ValueError(f"parameter {place} has a sparse gradient; AGC needs dense ones")
        one = Clippable(place, parameter, gradient, unit_dims(gradient.shape, unit))
        alike.setdefault((gradient.device, floors[place]), []).append(one)
    parts = []
    for (device, floor), work in alike.items():
        # Units that are whole tensors come first, so that all their norms are one call.
        work.sort(key=lambda one: one.dims is not None)
        parts.append(BACKENDS[backend or choose(work, device)](work, clip_factor, floor))
    return UnitStatistics(tuple(parts), clip_factor)
