import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normfree.config.schema import OutcomeConfig
from normfree.train.chance import Chance, against_chance
from normfree.train.evaluation import Scores
from normfree.train.loss_rule import LossRule
from normfree.train.outcome import has_learned, has_stalled, status_of

SETTINGS = OutcomeConfig(patience=20, window=4, tolerance=0.01, stalled_skip_gain=0.05)
LN10 = math.log(10)


def rule(
    losses: list[float], warmup: float = 3, settings: OutcomeConfig = SETTINGS, steps: int | None = None
) -> LossRule:
    made = LossRule(settings, len(losses) if steps is None else steps, warmup, LN10)
    for step, loss in enumerate(losses, 1):
        made.update(step, loss)
    return made


def scored(correct: int, images: int, largest: float = 0.1) -> Scores:
    largest_class = round(images * largest)
    return Scores(correct, images, 1.0, (largest_class, images - largest_class) if largest > 0.5 else (largest_class,))


def chance(correct: int, images: int = 1000, largest: float = 0.1) -> Chance | None:
    return against_chance(SETTINGS, {"test": scored(correct, images, largest)}.get)


def test_a_loss_that_is_not_finite() -> None:
    assert rule([2.3, 2.2, math.nan, 1.0]).reason == "training loss nan at step 3"
    assert rule([2.3, math.inf]).reason == "training loss inf at step 2"


@pytest.mark.parametrize(
    ("correct", "status"),
    [(1000, "finished"), (200, "finished"), (135, "finished"), (100, "untrained"), (0, "untrained")],
)
def test_who_learned_however_little_is_finished_and_who_did_not_is_untrained(correct: int, status: str) -> None:
    """Whatever the loss did: it ends above its start here, but has not blown up."""
    found, reason = status_of(rule([LN10] * 3 + [2.6] * 20), chance(correct))
    assert found == status
    assert ("no better than guessing" in reason) == (status == "untrained")


@pytest.mark.parametrize(
    ("steps", "window"), [(1, 1), (3, 1), (4, 1), (6, 3), (15, 3), (63, 15), (203, 50), (10_000, 50)]
)
def test_a_short_run_has_a_short_end(steps: int, window: int) -> None:
    assert LossRule(OutcomeConfig(), steps, 3, LN10).window == window


def test_a_loss_that_ends_high_has_diverged_however_accurate() -> None:
    status, reason = status_of(rule([2.0] * 10 + [9.0] * 6), chance(300))
    assert status == "diverged"
    assert reason == "training loss blew up: 9, the median of the last 3 steps, above 2 times that of guessing, 2.303"
    assert status_of(rule([8.0] * 10 + [9.0] * 6), chance(300))[0] == "finished", "no more than it began with"
    assert status_of(rule([0.1] * 10 + [1.0] * 6), chance(300))[0] == "finished", "nor worse than guessing"


def test_a_loss_that_blew_up_and_came_back_to_guessing_has_diverged() -> None:
    losses = [2.3] * 5 + [1e6] * 5 + [2.3] * 20
    assert status_of(rule(losses), chance(100))[0] == "diverged"
    assert status_of(rule(losses), chance(100))[1].startswith("training loss blew up: 1e+06 at step 10, above 2 times")
    assert status_of(rule(losses), chance(200))[0] == "finished", "it learned afterwards"


def test_an_early_bump_and_single_spikes_are_no_blow_up() -> None:
    assert status_of(rule([2.3] + [4.0] * 20 + [2.3] * 9), chance(100))[0] == "untrained"
    assert status_of(rule([2.3] * 5 + [1e9] * 4 + [2.3] * 9), chance(100))[0] == "untrained"
    assert status_of(rule([2.3] * 29 + [1e9]), chance(200))[0] == "finished"
    assert status_of(rule([2.3] * 10 + [2.1, 1e9, 2.2, 2.3, 2.0] * 4), chance(100))[0] == "untrained"


def test_chance_is_the_largest_class() -> None:
    """Nine images in ten are of one class: 90 % is what guessing gives."""
    found = chance(900, largest=0.9)
    assert found is not None
    assert (found.share, found.beaten) == (0.9, False)
    assert "90.00% of 1,000 images is no better than guessing the largest class, 90.00% (p = 0.5" in found.reason
    better = chance(935, largest=0.9)
    assert better is not None
    assert better.beaten


def test_the_test_is_exact() -> None:
    found = chance(30, images=50, largest=0.5)
    assert found is not None
    assert found.p_value == pytest.approx(sum(math.comb(50, k) for k in range(30, 51)) / 2**50)


@pytest.mark.parametrize(("images", "enough"), [(4, False), (10, False), (40, False), (50, True), (1000, True)])
def test_so_few_images_that_half_way_to_perfect_would_not_be_seen_tell_nothing(images: int, enough: bool) -> None:
    assert (chance(images, images, largest=0.5) is not None) == enough


def test_a_small_test_split_is_judged_with_the_validation_split() -> None:
    """Ten test images alone had a network untrained that had learned, and ended it early."""
    splits = {"test": scored(6, 10, 0.5), "validation": scored(163, 200, 0.5)}
    found = against_chance(SETTINGS, splits.get)
    assert found is not None
    assert (found.split, found.images, found.correct, found.beaten) == ("test and validation", 210, 169, True)
    large = {"test": scored(100, 1000), "validation": scored(100, 100)}
    found = against_chance(SETTINGS, large.get)
    assert found is not None
    assert (found.split, found.beaten) == ("test", False)


def test_classes_are_counted_over_both() -> None:
    both = Scores(1, 10, 1.0, (9, 1)) + Scores(2, 10, 2.0, (1, 9))
    assert (both.correct, both.images, both.loss, both.largest_class) == (3, 20, 3.0, 0.5)


def test_without_test_images_others_tell() -> None:
    found = against_chance(SETTINGS, {"validation": scored(90, 100)}.get)
    assert found is not None
    assert (found.split, found.images, found.beaten) == ("validation", 100, True)
    for loss, status in ((2.30, "untrained"), (2.2, "finished")):
        assert status_of(rule([LN10] * 3 + [loss] * 20), None)[0] == status, "by the training loss"


def test_one_class_teaches_nothing() -> None:
    assert chance(1000, largest=1.0) is None
    alone = LossRule(SETTINGS, 8, 0, math.log(1))
    for step in range(1, 9):
        alone.update(step, 0.0)
    assert status_of(alone, None)[0] == "untrained"


def test_progress_is_judged_at_steps_of_its_own_and_not_before_patience_is_used_up() -> None:
    stays = rule([LN10] * 23, steps=100)
    assert [step for step in range(1, 30) if stays.looks(step)] == [4, 8, 12, 16, 20, 24, 28]
    assert not stays.stuck(20)
    assert rule([LN10] * 24, steps=100).stuck(24)
    stuck = rule([LN10] * 24, steps=100)
    assert (stuck.stuck(24), stuck.stuck(28)) == (True, False), "who was let go on has its patience anew"
    assert not rule([2.3] * 3 + [2.2] * 30, steps=100).stuck(32)
    never = LossRule(OutcomeConfig(patience=None), 10_000, 3, LN10)
    assert not any(never.looks(step) for step in range(1, 10_000))


def test_a_run_that_has_begun_to_train_goes_on() -> None:
    assert not rule([2.5] * 20 + [1.5] * 4, steps=100).stuck(24), "the whole is high, the last steps are not"
    assert not rule([1.0] * 20 + [2.5] * 4, steps=100).stuck(24), "a relapse"


def test_a_stopped_run_is_untrained_and_says_why() -> None:
    stays = rule([2.32] * 24, steps=100)
    assert stays.stuck(24)
    assert not has_learned(stays, chance(100))
    stays.stop(24)
    status, reason = status_of(stays, chance(100))
    assert status == "untrained"
    assert reason.startswith("stopped after step 24: training loss 2.32, the median of 20 steps, is not below 2.303")
    assert "no better than guessing the largest class, 10.00%" in reason


def test_the_final_loss_is_the_mean_of_the_end() -> None:
    assert rule([9.0] * 8 + [1.0, 2.0, 3.0, 4.0], settings=OutcomeConfig(window=4), warmup=0).final == 3.0, "a quarter"
    assert math.isnan(rule([2.3, 2.2, math.nan]).final)
    assert math.isnan(rule([], steps=5).final)


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=60), st.integers(1, 59))
def test_restoring_changes_nothing(losses: list[float], cut: int) -> None:
    whole = rule(losses, steps=60)
    resumed = LossRule(SETTINGS, 60, 3, LN10)
    resumed.restore(rule(losses[:cut], steps=60).state())
    for step, loss in enumerate(losses[cut:], min(cut, len(losses)) + 1):
        resumed.update(step, loss)
    assert resumed.state() == whole.state()
    assert (resumed.final, resumed.blew_up, resumed.ended_high) == (whole.final, whole.blew_up, whole.ended_high)


def test_stalled() -> None:
    assert has_stalled(SETTINGS, 0.001) is True
    assert has_stalled(SETTINGS, 0.2) is False
    assert has_stalled(SETTINGS, None) is None, "a BatchNorm network has no skip gains"
    assert has_stalled(OutcomeConfig(stalled_skip_gain=None), 0.001) is None
