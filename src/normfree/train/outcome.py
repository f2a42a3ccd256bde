"""What a run that has come to its end is called: rules on numbers, fixed before the run and the same for every network.

See docs/decisions/0004-outcomes.md.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from statistics import median
from typing import Any

from normfree.config.schema import OutcomeConfig
from normfree.runs.chance import p_of_guessing, tells
from normfree.runs.outcomes import guessed
from normfree.train.evaluation import Scores

IN_A_ROW = 5
"""Steps for which a loss must stay above the bound to have blown up; a spike is over sooner."""
FEW_IMAGES = 1000
"""A test split of fewer is judged together with the validation split: alone it could miss who learned a little."""
_FEWEST = 3
"""Steps of the shortest window, where a run has so many: a median of three passes over one spike."""


@dataclass
class LossRule:
    """Fed the training loss of every step in order; says what the losses alone can tell of a run.

    Attributes:
        steps, warmup_steps: of the whole run.
        guessing: loss in nats of a network that gives every class the same probability.
        initial: loss of the first step.
        reason: why the run counts as diverged: a loss that is not finite, or what `FiniteGuard` found.
        stopped: why it was ended before its last step, else nothing.
    """

    settings: OutcomeConfig
    steps: int
    warmup_steps: float
    guessing: float
    initial: float | None = None
    reason: str = ""
    stopped: str = ""
    _recent: deque[float] = field(default_factory=deque)
    _above: int = 0
    _blew_up: tuple[int, float] | None = None
    _looked: int = 0

    @property
    def window(self) -> int:
        """Steps at the end of the run that are judged: ``outcome.window``, or a quarter of those after warm-up."""
        after = max(0, self.steps - math.ceil(self.warmup_steps))
        return max(1, min(self.settings.window, after, max(_FEWEST, after // 4)))

    def update(self, step: int, loss: float) -> None:
        """Take the loss of optimizer step ``step`` (from 1)."""
        if self.initial is None:
            self.initial = loss
        self._recent.append(loss)
        if len(self._recent) > max(self.window, self.settings.patience or 0):
            self._recent.popleft()
        if not math.isfinite(loss):
            self.reason = self.reason or f"training loss {loss} at step {step}"
            return
        self._above = self._above + 1 if loss > self._bound else 0
        if self._above >= IN_A_ROW and (self._blew_up is None or loss > self._blew_up[1]):
            self._blew_up = step, loss

    def looks(self, step: int) -> bool:
        """Whether progress is judged after this step: at steps of its own, whatever is logged when."""
        patience = self.settings.patience
        return patience is not None and step < self.steps and step % min(self.settings.window, patience) == 0

    def stuck(self, step: int) -> bool:
        """Whether the loss has stayed at that of guessing for ``outcome.patience`` steps since warm-up or the last
        time that this was so.

        The median of all of them and that of the last ``window`` must have, so that neither a peak long ago nor a short
        relapse ends a run that trains.
        """
        patience = self.settings.patience
        assert patience is not None
        if step - max(self.warmup_steps, self._looked) < patience:
            return False
        bound = (1 - self.settings.tolerance) * self.guessing
        if min(self._typical(patience), self._typical(self.window)) < bound:
            return False
        self._looked = step
        return True

    def stop(self, step: int) -> None:
        """The run is ended after this step, as a look at its accuracy found nothing either."""
        patience = self.settings.patience
        assert patience is not None
        self.stopped = (
            f"stopped after step {step}: training loss {self._typical(patience):.4g}, the median of {patience} steps, "
            f"is not below {self.guessing:.4g}, that of guessing, by {self.settings.tolerance:.1%}"
        )

    @property
    def ended_high(self) -> str:
        """Why the run counts as diverged by its last steps, else nothing."""
        last = self._typical(self.window)
        if not last > self._bound:
            return ""
        return f"training loss blew up: {last:.4g}, the median of the last {self.window} steps, {self._told_bound}"

    @property
    def blew_up(self) -> str:
        """Why it counts as diverged if it never learned: its loss blew up on the way, however it ended."""
        if self._blew_up is None:
            return ""
        step, loss = self._blew_up
        return f"training loss blew up: {loss:.4g} at step {step}, {self._told_bound}"

    @property
    def fell(self) -> bool:
        """Whether the loss at the end is below that of guessing."""
        return self._typical(self.window) < (1 - self.settings.tolerance) * self.guessing

    @property
    def final(self) -> float:
        """Mean loss of the last ``window`` steps that were taken; NaN before the first."""
        last = self._last(self.window)
        return sum(last) / len(last) if last else math.nan

    def _last(self, steps: int) -> list[float]:
        return list(self._recent)[-steps:]

    def _typical(self, steps: int) -> float:
        last = self._last(steps)
        return median(last) if last else math.nan

    @property
    def _bound(self) -> float:
        assert self.initial is not None
        return self.settings.blow_up * max(self.initial, self.guessing)

    @property
    def _told_bound(self) -> str:
        assert self.initial is not None
        what = "its first" if self.initial > self.guessing else "that of guessing"
        return f"above {self.settings.blow_up:g} times {what}, {max(self.initial, self.guessing):.4g}"

    def state(self) -> dict[str, Any]:
        blew_up = None if self._blew_up is None else list(self._blew_up)
        return {
            "initial": self.initial,
            "recent": list(self._recent),
            "above": self._above,
            "blew_up": blew_up,
            "looked": self._looked,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.initial = state["initial"]
        self._recent = deque(state["recent"])
        self._above, self._looked = int(state["above"]), int(state["looked"])
        self._blew_up = None if state["blew_up"] is None else (int(state["blew_up"][0]), float(state["blew_up"][1]))


@dataclass(frozen=True)
class Chance:
    """Whether a network does better than guessing the largest class.

    Attributes:
        split: whose images were looked at: test, validation, or "test and validation".
        share: of the largest class among them: the accuracy of guessing it.
        p_value: of the one-sided exact binomial test.
    """

    split: str
    images: int
    correct: int
    share: float
    p_value: float
    level: float

    @property
    def beaten(self) -> bool:
        return self.p_value <= self.level

    @property
    def reason(self) -> str:
        return guessed(self.split, self.correct / self.images, self.images, self.share, self.p_value)

    def record(self) -> dict[str, Any]:
        """As it stands in result.json."""
        return {name: getattr(self, name) for name in ("split", "images", "correct", "share", "p_value")}


def against_chance(settings: OutcomeConfig, scores: Callable[[str], Scores | None]) -> Chance | None:
    """The test on the test split, with the validation split where that is small; ``None`` without enough images.

    Args:
        scores: of a split, or ``None`` where there is none.
    """
    found = {"test": scores("test")}
    if found["test"] is None or found["test"].images < FEW_IMAGES:
        found["validation"] = scores("validation")
    there = {split: one for split, one in found.items() if one is not None}
    if not there:
        return None
    all_of = reduce(add, there.values())
    if not tells(all_of.images, all_of.largest_class, settings.level):
        return None
    p = p_of_guessing(all_of.correct, all_of.images, all_of.largest_class)
    return Chance(" and ".join(there), all_of.images, all_of.correct, all_of.largest_class, p, settings.level)


def has_learned(rule: LossRule, chance: Chance | None) -> bool:
    """By the test; without images to test on, by a training loss below that of guessing."""
    return rule.fell if chance is None else chance.beaten


def verdict(rule: LossRule, chance: Chance | None) -> tuple[str, str]:
    """Status and reason of a run at its end whose numbers are all finite."""
    if reason := rule.ended_high:
        return "diverged", reason
    if has_learned(rule, chance):
        return "finished", ""
    reason = chance.reason if chance is not None else f"training loss {rule.final:.4g} at the end is that of guessing"
    if rule.blew_up:
        return "diverged", f"{rule.blew_up}; {reason}"
    return "untrained", "; ".join(text for text in (rule.stopped, reason) if text)


def has_stalled(settings: OutcomeConfig, mean_abs_skip_gain: float | None) -> bool | None:
    """Whether the skip gains, zero at the start, never opened; ``None`` for a network that has none."""
    if mean_abs_skip_gain is None or settings.stalled_skip_gain is None:
        return None
    return mean_abs_skip_gain < settings.stalled_skip_gain
