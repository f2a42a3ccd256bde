import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normfree.config.schema import OutcomeConfig
from normfree.train.outcome import DivergenceRule, stalled_reason

SETTINGS = OutcomeConfig(patience=5, window=2, tolerance=0.01, stalled_skip_gain=0.05)


def rule(losses: list[float], warmup: float = 3) -> DivergenceRule:
    made = DivergenceRule(SETTINGS, warmup)
    for step, loss in enumerate(losses, 1):
        made.update(step, loss)
    return made


def test_a_loss_that_is_not_finite() -> None:
    assert rule([2.3, 2.2, math.nan, 1.0]).reason == "training loss nan at step 3"
    assert rule([2.3, math.inf]).reason == "training loss inf at step 2"


def test_a_loss_that_stays_at_its_start_after_warmup_stops_the_run() -> None:
    assert "over the last 5 steps to step 8, not below its initial 2 by 1.0%" in rule([2.0] * 8).reason
    assert not rule([2.0] * 7).reason, "patience is not used up"
    assert not rule([2.0] * 3 + [1.97] * 20).reason


def test_a_run_that_has_begun_to_train_goes_on() -> None:
    assert not rule([2.0] * 3 + [9.0, 9.0, 9.0, 1.5, 1.5]).reason, "the mean is high, the last steps are not"
    assert not rule([2.0] * 3 + [1.0, 1.0, 1.0, 2.1, 2.1]).reason, "a relapse"


def test_the_end_is_judged_by_the_last_steps() -> None:
    for losses, told in (([1.0, 1.0, 2.0, 2.0], "over the last 2 steps of training"), ([2.0, 2.0, 1.0, 1.0], "")):
        ended = rule([2.0] * 3 + losses)
        ended.conclude()
        assert told in ended.reason if told else not ended.reason


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
    assert resumed.average(5) == pytest.approx(whole.average(5), nan_ok=True)


def test_stalled() -> None:
    assert "never opened" in stalled_reason(SETTINGS, 0.001)
    assert stalled_reason(SETTINGS, 0.2) == ""
    assert stalled_reason(SETTINGS, None) == "", "a BatchNorm network has no skip gains"


def test_a_run_of_few_steps_has_diverged_only_if_it_blew_up() -> None:
    for loss, diverged in ((9.0, True), (2.1, False)):
        short = rule([2.0, 2.0, 2.0, loss])
        short.conclude()
        assert bool(short.reason) == diverged
