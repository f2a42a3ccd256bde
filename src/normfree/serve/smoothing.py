"""Probabilities over time, smoothed by a time constant in seconds whatever the rate of frames is."""

from __future__ import annotations

import math

from torch import Tensor


class Smoothing:
    """An exponential mean.

    Args:
        seconds: after which what was seen before has a share of 1/e; 0 smooths nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before: float | None = None
        self._mean: Tensor | None = None

    def add(self, probabilities: Tensor, now: float) -> Tensor:
        """The mean after ``[K]`` at a time in seconds."""
        if self._mean is None or self._before is None or not self._seconds:
            self._mean = probabilities
        else:
            keep = math.exp(-max(0.0, now - self._before) / self._seconds)
            self._mean = keep * self._mean + (1 - keep) * probabilities
        self._before = now
        return self._mean
