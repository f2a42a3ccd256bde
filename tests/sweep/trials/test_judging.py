"""Which trials go on, which are on the front, and which of these are trained again."""

from hypothesis import given
from hypothesis import strategies as st

from normfree.sweep.trials.judging import Score, front, goes_on, members

SCORES = st.builds(Score, st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), st.sampled_from([1.0, 2.0, 3.0, 4.0]))


def test_the_median_rule_looks_at_trials_that_are_no_slower() -> None:
    fast, slow = [Score(0.2, 1.0), Score(0.3, 1.0), Score(0.4, 1.0)], [Score(0.9, 9.0)] * 5
    assert goes_on(Score(0.3, 2.0), [*fast, *slow], 3)
    assert not goes_on(Score(0.29, 2.0), [*fast, *slow], 3)
    assert goes_on(Score(0.29, 2.0), [*fast, *slow], 4), "too few are known"
    assert goes_on(Score(0.1, 0.5), [*fast, *slow], 3), "the fastest has none beside it"


def test_without_latencies_it_is_the_median_rule() -> None:
    earlier = [Score(accuracy) for accuracy in (0.1, 0.2, 0.3)]
    assert goes_on(Score(0.2), earlier, 3)
    assert not goes_on(Score(0.19), earlier, 3)


def test_one_objective_ranks() -> None:
    trials = [Score(0.2), Score(0.4), Score(0.3), Score(0.4)]
    assert front(trials) == [1, 3, 2, 0]
    assert members(trials, 2) == [1, 3]


@given(st.lists(SCORES, min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(trials: list[Score]) -> None:
    found = front(trials)
    for place, one in enumerate(trials):
        better = [
            other
            for other in trials
            if other.accuracy >= one.accuracy
            and (other.latency or 0) <= (one.latency or 0)
            and (other.accuracy, other.latency) != (one.accuracy, one.latency)
        ]
        twins = [each for each in found if trials[each] == one]
        assert (place in found) == (not better and twins == [place])
        assert len(twins) == (0 if better else 1)
    assert [trials[place].latency for place in found] == sorted(trials[place].latency or 0 for place in found)


@given(st.lists(SCORES, min_size=1, max_size=12), st.integers(1, 4))
def test_members_are_of_the_front_and_have_the_most_accurate(trials: list[Score], most: int) -> None:
    chosen, every = members(trials, most), front(trials)
    assert set(chosen) <= set(every)
    assert len(chosen) == min(most, len(every))
    assert max(one.accuracy for one in trials) == max(trials[place].accuracy for place in chosen)


def test_members_are_spread_by_the_area_that_they_add() -> None:
    trials = [Score(0.10, 1.0), Score(0.39, 3.9), Score(0.40, 4.0), Score(0.30, 2.0)]
    assert [trials[place].latency for place in members(trials, 2)] == [2.0, 4.0]
