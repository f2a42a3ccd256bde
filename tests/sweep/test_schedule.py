"""Which run comes next, and what is expected of those that have not ended."""

from collections.abc import Callable

import pytest

from normfree.config import Resolved
from normfree.sweep.schedule import Schedule, Size

SIZES = {
    "slow-s0": Size("slow", 100),
    "slow-s1": Size("slow", 100),
    "large-s0": Size("large", 300),
    "large-s1": Size("large", 300),
    "wild-s0": Size("wild", 300),
    "wild-s1": Size("wild", 300),
}
SECONDS = {"slow": 50.0, "large": 30.0, "wild": 1.0}


def ended(schedule: Schedule, run: str) -> None:
    schedule.end(run, {"status": "finished", "time": {"seconds": SECONDS[SIZES[run].arm]}})


def test_one_run_of_every_arm_then_the_longest() -> None:
    schedule = Schedule(SIZES)
    waiting, order = list(SIZES), []
    while waiting:
        order.append(schedule.next(waiting))
        waiting.remove(order[-1])
        ended(schedule, order[-1])
    assert order == ["large-s0", "wild-s0", "slow-s0", "slow-s1", "large-s1", "wild-s1"]


def test_one_at_a_time_the_arms_take_turns() -> None:
    schedule = Schedule(SIZES, in_turn=True)
    waiting, order = [run for run in SIZES if run != "slow-s0"], []
    while waiting:
        order.append(schedule.next(waiting))
        waiting.remove(order[-1])
        ended(schedule, order[-1])
    assert order == ["large-s0", "wild-s0", "slow-s1", "large-s1", "wild-s1"], "the arms with most left begin"


def test_an_arm_that_nothing_is_known_of_counts_its_images() -> None:
    schedule = Schedule(SIZES)
    assert [schedule.work(run) for run in ("slow-s0", "large-s0")] == [100, 300]
    ended(schedule, "large-s0")
    assert schedule.work("large-s1") == 30
    assert schedule.work("slow-s0") == pytest.approx(10), "at the speed of what has ended"
    ended(schedule, "slow-s0")
    assert schedule.work("wild-s0") == pytest.approx(300 * (30 + 50) / (300 + 100))


@pytest.mark.parametrize(
    "result",
    [
        {"status": "failed", "time": {"seconds": 0.1}},
        {"status": "preempted", "time": {"seconds": 0.1}},
        {"status": "failed", "reason": "its process ended with SIGKILL"},
    ],
)
def test_a_run_without_a_result_says_nothing_of_its_arm(result: dict[str, object]) -> None:
    schedule = Schedule(SIZES)
    schedule.end("slow-s0", result)
    assert schedule.work("slow-s1") == 100


def test_runs_that_differ_in_their_seed_are_an_arm(tiny: Callable[..., Resolved]) -> None:
    schedule = Schedule.of({"a": tiny("seed=0"), "b": tiny("seed=1"), "c": tiny("seed=0", "lr=0.5")})
    first, second, other = schedule.runs.values()
    assert first == second
    assert other.arm != first.arm
    assert first.images == tiny().steps * tiny().config.batch
