"""What the training losses alone tell of a run, by rules that are the same for every network.

See docs/decisions/0004-outcomes.md.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from normfree.config.schema import OutcomeConfig

IN_A_ROW = 5
"""Steps for which a loss must stay above the bound to have blown up; a spike is over sooner."""
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
