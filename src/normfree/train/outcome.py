"""When a run has diverged or stalled: rules on numbers, fixed before the run. See docs/decisions/0004-outcomes.md."""

import math
from collections import deque
from dataclasses import dataclass, field

from normfree.config.schema import OutcomeConfig

SHORT_RUN_FACTOR = 2


@dataclass
class DivergenceRule:
    """Fed the training loss of every step; ``reason`` says why the run counts as diverged, once it does.

    Attributes:
        warmup_steps: only steps after these are judged, unless their loss is not finite.
        initial: loss of the first step.
    """

    settings: OutcomeConfig
    warmup_steps: float
    initial: float | None = None
    reason: str = ""
    _recent: deque[float] = field(default_factory=deque)

    def update(self, step: int, loss: float) -> None:
        """Take the loss of optimizer step ``step`` (from 1)."""
        if self.initial is None:
            self.initial = loss
        if not math.isfinite(loss):
            self.reason = self.reason or f"training loss {loss} at step {step}"
            return
        if step <= self.warmup_steps:
            return
        self._recent.append(loss)
        if len(self._recent) > self.settings.patience:
            self._recent.popleft()
        # Both, so that neither a peak long ago nor a short relapse ends a run that trains.
        if len(self._recent) == self.settings.patience:
            whole, last = self.average(self.settings.patience), self.average(self.settings.window)
            if min(whole, last) >= self._bound:
                self.reason = self.reason or self._no_progress(whole, self.settings.patience, f"to step {step}")

    def conclude(self) -> None:
        """Judge a run that has come to its end by its last steps; too short a one only by a loss that blew up."""
        if self.initial is None or not self._recent or self.reason:
            return
        window = self.settings.window
        last = self.average(window)
        if len(self._recent) >= window and last >= self._bound:
            self.reason = self._no_progress(last, window, "of training")
        elif last > SHORT_RUN_FACTOR * self.initial:
            self.reason = (
                f"training loss {last:.4g} at the end, above {SHORT_RUN_FACTOR} times its initial {self.initial:.4g}"
            )

    def average(self, steps: int) -> float:
        """Mean loss of the last ``steps`` after warm-up, or of as many as there are; NaN before there are any."""
        last = list(self._recent)[-steps:]
        return sum(last) / len(last) if last else math.nan

    @property
    def _bound(self) -> float:
        assert self.initial is not None
        return (1 - self.settings.tolerance) * self.initial

    def _no_progress(self, average: float, steps: int, which: str) -> str:
        return (
            f"training loss {average:.4g} over the last {steps} steps {which}, "
            f"not below its initial {self.initial:.4g} by {self.settings.tolerance:.1%}"
        )

    def state(self) -> dict[str, object]:
        return {"initial": self.initial, "recent": list(self._recent)}

    def restore(self, state: dict[str, object]) -> None:
        initial, recent = state["initial"], state["recent"]
        assert initial is None or isinstance(initial, float)
        assert isinstance(recent, list)
        self.initial = initial
        self._recent = deque(recent)


def stalled_reason(settings: OutcomeConfig, mean_abs_skip_gain: float | None) -> str:
    """Why a finished run counts as stalled, or nothing: its skip gains, zero at the start, never opened."""
    if mean_abs_skip_gain is None or mean_abs_skip_gain >= settings.stalled_skip_gain:
        return ""
    return (
        f"mean |skip gain| {mean_abs_skip_gain:.2g} at the end, below {settings.stalled_skip_gain:g}: "
        "the residual branches never opened"
    )
