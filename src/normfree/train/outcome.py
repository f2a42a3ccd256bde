"""When a run has diverged or stalled: rules on numbers, fixed before the run. See docs/decisions/0004-outcomes.md."""

import math
from collections import deque
from dataclasses import dataclass, field

from normfree.config.schema import OutcomeConfig


@dataclass
class DivergenceRule:
    """Fed the training loss of every step; ``reason`` says why the run counts as diverged, once it does.

    Attributes:
        warmup_steps: the average is taken over steps after these.
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
        bound = (1 - self.settings.tolerance) * self.initial
        if len(self._recent) == self.settings.patience and self.average >= bound:
            self.reason = self.reason or (
                f"training loss {self.average:.4g} over the {self.settings.patience} steps to step {step}, "
                f"not below its initial {self.initial:.4g} by {self.settings.tolerance:.1%}"
            )

    @property
    def average(self) -> float:
        """Mean loss of the last ``patience`` steps after warm-up; NaN before there are any."""
        return sum(self._recent) / len(self._recent) if self._recent else math.nan

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
