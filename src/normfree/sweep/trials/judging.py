"""Which trials go on after their short run, and which are the best: rules on numbers alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol


class Scored(Protocol):
    """What the rules see of a trial: validation accuracy, and milliseconds where they are an objective."""

    @property
    def accuracy(self) -> float: ...

    @property
    def latency(self) -> float | None: ...


@dataclass(frozen=True)
class Score:
    """As `Scored`."""

    accuracy: float
    latency: float | None = None


def goes_on(mine: Scored, earlier: Sequence[Scored], after: int) -> bool:
    """The median rule among trials that are no slower: a slow network has to be worth its time, a fast one only to be
    the better half of what is as fast. Without latencies it is the median rule.

    Args:
        mine, earlier: accuracies of short runs of as many steps.
        after: as long as fewer trials are no slower, it goes on.
    """
    beside = [one.accuracy for one in earlier if _no_slower(one, mine)]
    return len(beside) < after or mine.accuracy >= median(beside)


def front(trials: Sequence[Scored]) -> list[int]:
    """Places of the trials that no other dominates, the fastest first; without latencies all, the best first.

    Of equals the first is on the front.
    """
    if all(one.latency is None for one in trials):
        return sorted(range(len(trials)), key=lambda place: (-trials[place].accuracy, place))
    found = [
        place
        for place, one in enumerate(trials)
        if not any(_dominates(other, one, beats=number < place) for number, other in enumerate(trials))
    ]
    return sorted(found, key=lambda place: (trials[place].latency or 0.0, place))


def members(trials: Sequence[Scored], most: int) -> list[int]:
    """At most so many of the front: the most accurate, then one after the other that which adds the largest area.

    The area is that dominated by a trial up to the slowest and the least accurate of the front.
    """
    every = front(trials)
    if len(every) <= most or all(one.latency is None for one in trials):
        return every[:most]
    slowest = max(_time(trials[place]) for place in every)
    lowest = min(trials[place].accuracy for place in every)
    # Beyond the corner, so that the ends of the front have an area too.
    room_right = 0.1 * (slowest - min(_time(trials[place]) for place in every))
    room_below = 0.1 * (max(trials[place].accuracy for place in every) - lowest)
    corner = (slowest + room_right, lowest - room_below)
    chosen = [max(every, key=lambda place: (trials[place].accuracy, -place))]
    while len(chosen) < most:
        left = [place for place in every if place not in chosen]
        chosen.append(max(left, key=lambda place: (_area([trials[one] for one in (*chosen, place)], corner), -place)))
    return [place for place in every if place in chosen]


def _area(chosen: Sequence[Scored], corner: tuple[float, float]) -> float:
    area, best = 0.0, corner[1]
    for one in sorted(chosen, key=_time):
        if one.accuracy > best:
            area += (one.accuracy - best) * (corner[0] - _time(one))
            best = one.accuracy
    return area


def _time(one: Scored) -> float:
    return one.latency or 0.0


def _no_slower(one: Scored, than: Scored) -> bool:
    return one.latency is None or than.latency is None or one.latency <= than.latency


def _dominates(one: Scored, other: Scored, beats: bool) -> bool:
    """Whether it is as good in both and better in one; equals are if they come first."""
    if one.accuracy == other.accuracy and _time(one) == _time(other):
        return one is not other and beats
    return one.accuracy >= other.accuracy and _time(one) <= _time(other)
