"""Intervals and tests against scipy's own, published values, and the laws they obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from normfree.study.statistics import (
    equivalence,
    fisher,
    holm,
    mean_interval,
    one_sided_t,
    share_difference,
    share_difference_below,
)

shares = st.floats(0, 1, allow_nan=False)
samples = st.lists(shares, min_size=2, max_size=8)


def test_mean_interval_is_students() -> None:
    values = [0.971, 0.978, 0.965]
    interval = mean_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    assert interval.n == 3


@given(samples, st.floats(0.5, 0.999))
def test_interval_contains_its_mean_and_grows_with_the_level(values: list[float], level: float) -> None:
    interval = mean_interval(values, level)
    assert interval.low <= interval.estimate <= interval.high
    assert min(values) <= interval.estimate <= max(values)
    assert mean_interval(values, level / 2).half_width <= interval.half_width


@given(samples)
def test_interval_does_not_depend_on_order(values: list[float]) -> None:
    one, other = mean_interval(values), mean_interval(values[::-1])
    assert one.low == pytest.approx(other.low)


def test_one_value_has_no_limits() -> None:
    interval = mean_interval([0.9])
    assert interval.estimate == 0.9
    assert math.isnan(interval.low)


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [math.inf]])
def test_a_mean_needs_finite_values(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval(values)


def test_one_sided_t_is_scipys() -> None:
    differences = [0.01, 0.02, 0.012, 0.03]
    expected = stats.ttest_1samp(differences, 0.005, alternative="greater").pvalue
    assert one_sided_t(differences, 0.005) == pytest.approx(expected)


def test_equal_differences_are_certain() -> None:
    assert one_sided_t([0.1, 0.1, 0.1], 0.05) == 0
    assert one_sided_t([0.1, 0.1, 0.1], 0.1) == 1
    assert equivalence([0.0, 0.0, 0.0], 0.01) == 0


def test_fisher_is_the_tea_tasting() -> None:
    assert fisher(3, 4, 1, 4) == pytest.approx(0.242857, abs=1e-6)  # Fisher 1935
    assert fisher(4, 4, 0, 4) == pytest.approx(1 / 70)


def test_newcombe_matches_his_table() -> None:
    interval = share_difference(56, 70, 48, 80)  # Newcombe 1998, table II, example (a), method 10
    assert (interval.low, interval.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    interval = share_difference(10, 10, 0, 10)  # example (h)
    assert (interval.low, interval.high) == pytest.approx((0.6075, 1.0), abs=5e-5)


counts = st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_share_difference_is_antisymmetric(a: tuple[int, int], b: tuple[int, int]) -> None:
    one, other = share_difference(*a, *b), share_difference(*b, *a)
    assert one.low <= one.estimate + 1e-9
    assert one.estimate <= one.high + 1e-9
    assert one.low == pytest.approx(-other.high, abs=1e-9)


@given(counts, counts, st.floats(-0.5, 0.5))
def test_inverted_interval_agrees_with_the_interval(a: tuple[int, int], b: tuple[int, int], margin: float) -> None:
    p = share_difference_below(*a, *b, margin)
    assert 0 <= p <= 1
    if 1e-6 < p < 0.49:
        assert share_difference(*a, *b, 1 - 2 * p).high == pytest.approx(margin, abs=1e-6)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(shares, min_size=1, max_size=8))
def test_holm_only_raises_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    assert np.all(np.diff([adjusted[i] for i in np.argsort(p_values, kind="stable")]) >= 0)
