"""Intervals and tests for few runs: Student's t, Fisher's exact test, Newcombe's interval, Holm's correction.

Accuracies are shares in [0, 1]. Nothing here drops a value: who calls decides what may be averaged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, stats


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits, from `n` values; the limits are NaN where n < 2."""

    estimate: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the distance of the limits."""
        return (self.high - self.low) / 2


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of independent values with Student's t interval. Raises `ValueError` for none or non-finite."""
    array = np.asarray(values, dtype=float)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError("a mean needs at least one value and finite ones")
    mean = float(np.clip(array.mean(), array.min(), array.max()))
    if array.size == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = _quantile((1 + level) / 2, array.size - 1) * _standard_error(array)
    return Interval(mean, mean - half, mean + half, int(array.size))


_FEWEST_TO_RESAMPLE = 5
"""Values from which a bootstrap says more than its own few combinations."""


def difference_interval(values: Sequence[float], level: float = 0.95) -> tuple[Interval, str]:
    """Interval of a mean difference, and by which method: Student's t, or where the values are plainly not normal
    (Shapiro-Wilk, p below 0.05, as of arms of which some seeds hardly trained) and at least five, the bootstrap (BCa,
    9,999 resamples from a fixed seed).
    """
    interval = mean_interval(values, level)
    array = np.asarray(values, dtype=float)
    if array.size < _FEWEST_TO_RESAMPLE or np.ptp(array) == 0 or stats.shapiro(array).pvalue >= 0.05:
        return interval, "t"
    found = stats.bootstrap(
        (array,), np.mean, confidence_level=level, n_resamples=9999, method="BCa", random_state=np.random.default_rng(0)
    ).confidence_interval
    if not math.isfinite(found.low) or not math.isfinite(found.high):
        return interval, "t"
    return Interval(interval.estimate, float(found.low), float(found.high), interval.n), "bootstrap"


@cache
def _quantile(level: float, freedom: int) -> float:
    """Of Student's t."""
    return float(stats.t.ppf(level, freedom))


def one_sided_t(differences: Sequence[float], margin: float) -> float:
    """p of 'the mean difference is at most `margin`' against 'it is larger'."""
    array = np.asarray(differences, dtype=float)
    error = _standard_error(array)
    distance = float(array.mean()) - margin
    if error == 0:
        return 0.0 if distance > 1e-12 else 1.0
    return float(stats.t.sf(distance / error, array.size - 1))


def equivalence(differences: Sequence[float], margin: float) -> float:
    """p of two one-sided t tests (TOST; Schuirmann 1987) of 'the mean lies outside [-margin, margin]'."""
    negated = [-value for value in differences]
    return max(one_sided_t(differences, -margin), one_sided_t(negated, -margin))


def fisher(trained_a: int, n_a: int, trained_b: int, n_b: int) -> float:
    """One-sided p of Fisher's exact test of 'A trains no more often than B'."""
    counts = [[trained_a, n_a - trained_a], [trained_b, n_b - trained_b]]
    return float(stats.fisher_exact(counts, alternative="greater").pvalue)


def share_difference(trained_a: int, n_a: int, trained_b: int, n_b: int, level: float = 0.95) -> Interval:
    """Share of A less share of B with Newcombe's hybrid score interval (1998, method 10)."""
    a, b = trained_a / n_a, trained_b / n_b
    wilson_a = stats.binomtest(trained_a, n_a).proportion_ci(level, method="wilson")
    wilson_b = stats.binomtest(trained_b, n_b).proportion_ci(level, method="wilson")
    low = a - b - math.hypot(a - wilson_a.low, wilson_b.high - b)
    high = a - b + math.hypot(wilson_a.high - a, b - wilson_b.low)
    return Interval(a - b, low, high, n_a + n_b)


def share_difference_below(trained_a: int, n_a: int, trained_b: int, n_b: int, margin: float) -> float:
    """One-sided p of 'the share of A exceeds that of B by `margin` or more', by inverting Newcombe's
    interval.
    """

    def excess(p: float) -> float:
        return share_difference(trained_a, n_a, trained_b, n_b, 1 - 2 * p).high - margin

    smallest, largest = 1e-9, 0.5 - 1e-9
    if excess(largest) >= 0:
        return 1.0
    return float(optimize.brentq(excess, smallest, largest)) if excess(smallest) > 0 else smallest


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def _standard_error(array: np.ndarray) -> float:
    """Of the mean; exactly 0 for equal values, whatever rounding does to their mean."""
    if np.ptp(array) == 0:
        return 0.0
    return float(array.std(ddof=1) / math.sqrt(array.size))
