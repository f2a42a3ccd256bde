"""Clipping of gradients whose norm is an outlier among those of the steps before.

Source: Kumar et al. 2025 (arXiv 2504.02507), in the order of its released code (bluorion-com/ZClip). With mean m and
standard deviation s of the norms so far, and the norm n of all gradients together:

    z = (n - m) / (s + 1e-6)
    n' = m + Z^2 s / z    if z > Z, else n
    limit = min(n', max_norm)
    m <- d m + (1 - d) n'
    s^2 <- d s^2 + (1 - d) (n' - m)^2, with the m of the line before

so that an outlier enters the statistics as what the z-score leaves of it, and `max_norm` is no part of them. The first
`warmup_steps` norms are taken as they are: m and s are their mean and standard deviation, and `max_norm` alone clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from normfree.clip.one_factor import common_norm, scale_to_
from normfree.clip.statistics import NormStatistics, UnitStatistics, parameters_with_gradient

_EPS = 1e-6


class ZClip:
    """Limits, in place, the norm of all gradients together by the z-score of that norm.

    Call it once per optimizer step, on full and unscaled gradients. A norm that is not finite is reported, leaves
    gradients and statistics as they are, and is not counted as a step. No GPU is waited for.

    Args:
        z_threshold: standard deviations above the mean from which on a norm is an outlier.
        decay: of the averages of norm and squared deviation, in [0, 1).
        warmup_steps: first norms that are taken as they are, at least 1.
        max_norm: the largest norm at any step; None for none.

    Raises:
        ValueError: a value outside of its range.
    """

    def __init__(
        self,
        z_threshold: float = 2.5,
        decay: float = 0.97,
        warmup_steps: int = 25,
        max_norm: float | None = 1.0,
    ) -> None:
        if not (z_threshold > 0 and math.isfinite(z_threshold)):
            raise ValueError(f"z_threshold={z_threshold}: give a positive number")
        if not 0 <= decay < 1:
            raise ValueError(f"decay={decay}: has to be at least 0 and below 1")
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps={warmup_steps}: has to be at least 1, to know a mean")
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"max_norm={max_norm}: give a positive number, or None")
        self._z, self._decay, self._warmup = z_threshold, decay, warmup_steps
        self._cap = math.inf if max_norm is None else max_norm
        self._known: Tensor | None = None  # steps, mean, variance

    @torch.no_grad()
    def __call__(self, parameters: Tensor | Iterable[Tensor]) -> NormStatistics | UnitStatistics:
        """Clips the gradients of `parameters`; those without one are skipped. ``limit`` of the answer is what a norm
        could have been without being clipped, or what it was clipped to."""
        gradients = [gradient for _, _, gradient in parameters_with_gradient(parameters)]
        if not gradients:
            return UnitStatistics((), 1.0)
        norm = common_norm(gradients)
        known = norm.new_zeros(3) if self._known is None else self._known.to(norm.device)
        steps, mean, variance = known.unbind()
        warm = steps < self._warmup
        deviation = variance.sqrt()
        highest = mean + self._z * (deviation + _EPS)
        outlier = (norm > highest) & ~warm
        score = (norm - mean) / (deviation + _EPS)
        left = torch.where(outlier, mean + self._z**2 * deviation / score, norm)

        limit = torch.where(warm, math.inf, torch.where(outlier, left, highest)).clamp(max=self._cap)
        share = torch.where(warm, 1 / (steps + 1), 1 - self._decay)
        new_mean = torch.lerp(mean, left, share)
        # In warm-up the variance of the norms so far, to the last bit but rounding; then that of the paper.
        deviations = torch.where(warm, (left - mean) * (left - new_mean), (left - new_mean) ** 2)
        new_variance = torch.lerp(variance, deviations, share)
        fresh = torch.stack([steps + 1, new_mean, new_variance])
        self._known = torch.where(norm.isfinite(), fresh, known)
        return scale_to_(gradients, norm, limit)

    def state_dict(self) -> dict[str, Any]:
        """What it knows of earlier norms: ``known``, their number, mean and variance, ``[3]``."""
        return {} if self._known is None else {"known": self._known.cpu()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._known = state["known"].clone() if "known" in state else None
