"""What became of a run that was trained, and by which rules it is called that.

They are fixed before the run and the same for every network: see docs/decisions/0004-outcomes.md.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from normfree.config.schema import OutcomeConfig
from normfree.train.chance import Chance
from normfree.train.loss_rule import LossRule
from normfree.train.stopping import StopRequest


@dataclass(frozen=True)
class Outcome:
    """What became of a run: the parts of result.json that only training knows.

    ``status`` is one of `normfree.runs.RECORDED`, ``chance`` the test that it may come from. ``records`` are no part of
    it, but the checksums of the files of rows that it is kept with.
    """

    status: str
    reason: str = ""
    steps_done: int = 0
    stalled: bool | None = None
    chance: dict[str, Any] | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    batch_dependence: dict[str, float] | None = None
    cost: dict[str, int] = field(default_factory=dict)
    batch: dict[str, int] = field(default_factory=dict)
    time: dict[str, float] = field(default_factory=dict)
    skipped_images: dict[str, int] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    traceback: str | None = None
    lost_rows: str = ""
    records: dict[str, str] = field(default_factory=dict)

    def stopped_by(self, stop: StopRequest) -> "Outcome":
        """The same, with the reason why an unfinished run stopped."""
        if self.status != "preempted" or self.reason:
            return self
        reason = f"{stop.cause()} after step {self.steps_done}; the same command goes on from there"
        return replace(self, reason=reason)


def has_learned(rule: LossRule, chance: Chance | None) -> bool:
    """By the test; without images to test on, by a training loss below that of guessing."""
    return rule.fell if chance is None else chance.beaten


def status_of(rule: LossRule, chance: Chance | None) -> tuple[str, str]:
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
