"""Which run of a sweep comes next, and how much work each is, learnt from the runs that have ended."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

from normfree.config import Resolved
from normfree.runs import TERMINAL, arm_id
from normfree.runs.result import Ended


@dataclass(frozen=True)
class Size:
    """What is known of a run before any has been tried: its arm, and the images it trains on."""

    arm: str
    images: int


class Schedule:
    """One run of every arm comes first, then the one that will take longest.

    So what every arm comes to is seen early, the time left is known once each has been tried, and the last workers end
    at about the same time. Runs of an arm differ in their seed alone: they take as long as those that have ended.

    Where one run is trained at a time, nothing is gained by that: the arms take turns, so that what each takes is
    measured under the same conditions, and a sweep that is cut short has as many seeds of every arm.

    Args:
        runs: every run that is to be trained, by its id.
        in_turn: one run at a time.
    """

    def __init__(self, runs: dict[str, Size], in_turn: bool = False) -> None:
        self.runs = runs
        self._in_turn = in_turn
        self._tried: Counter[str] = Counter()
        self._ended: dict[str, float] = {}
        self._arms: defaultdict[str, list[float]] = defaultdict(list)
        self._an_image = 1.0

    @classmethod
    def of(cls, runs: Mapping[str, Resolved], in_turn: bool = False) -> Self:
        """Of these configurations, by the ids that they were planned with."""
        return cls({each: Size(arm_id(run), run.steps * run.config.batch) for each, run in runs.items()}, in_turn)

    def next(self, waiting: Sequence[str]) -> str:
        """Which of these runs to start; of equals the first."""
        if self._in_turn:
            left = Counter(self.runs[run].arm for run in waiting)
            chosen = min(waiting, key=lambda run: (self._tried[self.runs[run].arm], -left[self.runs[run].arm]))
        else:
            fresh = [run for run in waiting if self.runs[run].arm not in self._tried]
            chosen = max(fresh, key=lambda run: self.runs[run].images) if fresh else max(waiting, key=self.work)
        self._tried[self.runs[chosen].arm] += 1
        return chosen

    def end(self, run: str, result: Ended) -> None:
        """Learn from a run that has ended, if it has come to what its arm comes to."""
        seconds = result.get("time", {}).get("seconds")
        if seconds is not None and result["status"] in TERMINAL:
            self._ended[run] = seconds
            self._arms[self.runs[run].arm].append(seconds)
            self._an_image = sum(self._ended.values()) / sum(self.runs[ended].images for ended in self._ended)

    def work(self, run: str) -> float:
        """Seconds that a run takes or has taken; its images, while no run has ended."""
        if run in self._ended:
            return self._ended[run]
        size = self.runs[run]
        return fmean(self._arms[size.arm]) if size.arm in self._arms else size.images * self._an_image
