import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normfree.config.schema import OutcomeConfig
from normfree.train.outcome import DivergenceRule, stalled_reason

SETTINGS = OutcomeConfig(patience=5, tolerance=0.01, stalled_skip_gain=0.05)


def rule(losses: list[float], warmup: float = 3) -> DivergenceRule:
    made = DivergenceRule(SETTINGS, warmup)
    for step, loss in enumerate(losses, 1):
        made.update(step, loss)
    return made


def test_a_loss_that_is_not_finite() -> None:
    assert rule([2.3, 2.2, math.nan, 1.0]).reason == "training loss nan at step 3"
    assert rule([2.3, math.inf]).reason == "training loss inf at step 2"


def test_a_loss_that_stays_at_its_start_after_warmup() -> None:
    assert "to step 8, not below its initial 2 by 1.0%" in rule([2.0] * 8).reason
    assert not rule([2.0] * 7).reason, "patience is not used up"
    assert not rule([2.0] * 3 + [1.97] * 20).reason


def test_the_peak_of_warmup_does_not_count() -> None:
    assert not rule([2.0, 9.0, 9.0] + [1.0] * 9).reason


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.integers(1, 29))
def test_restoring_changes_nothing(losses: list[float], cut: int) -> None:
    whole = rule(losses)
    first = rule(losses[:cut])
    resumed = DivergenceRule(SETTINGS, 3)
    resumed.restore(first.state())
    resumed.reason = first.reason
    for step, loss in enumerate(losses[cut:], min(cut, len(losses)) + 1):
        resumed.update(step, loss)
    assert resumed.reason == whole.reason
    assert resumed.average == pytest.approx(whole.average, nan_ok=True)


def test_stalled() -> None:
    assert "never opened" in stalled_reason(SETTINGS, 0.001)
    assert stalled_reason(SETTINGS, 0.2) == ""
    assert stalled_reason(SETTINGS, None) == "", "a BatchNorm network has no skip gains"
