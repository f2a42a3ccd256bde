"""The words for what becomes of a planned run: one list, for everything that counts, prints or draws outcomes.

See docs/decisions/0004-outcomes.md.
"""

import math
from collections.abc import Mapping
from typing import Any

from normfree.runs.chance import p_of_guessing

DEFINITIONS: dict[str, str] = {
    "finished": "all steps were taken, with finite numbers, and it does better than guessing; read its accuracy",
    "untrained": "finite numbers, but at the end no better than guessing, by an exact binomial test",
    "diverged": "a loss, gradient or weight that is not finite, or a training loss that blew up",
    "failed": "the program stopped with an error; says nothing about the method and is run again",
    "preempted": "stopped from outside with a checkpoint; the next sweep continues it",
    "incomplete": "started, but without a result: interrupted without warning, or still running",
    "missing": "planned, never started",
    "damaged": "has a file that cannot be read (cut, changed, or of another schema version); set aside and run again",
}
TERMINAL = ("finished", "untrained", "diverged")
"""Outcomes that say something about the method; such a run has its result and is not started again."""
RECORDED = (*TERMINAL, "failed", "preempted")
"""What ``status`` can be in result.json; the other words are a reader's."""
STALLED = "the skip gains never opened: the residual branches add next to nothing"

_LEVEL, _BLOWN_UP, _GAIN = 0.001, 2.0, 0.05
"""The defaults of ``outcome``, for results that were written when the rules were others."""


def today(result: dict[str, Any]) -> dict[str, Any]:
    """A result of before ``untrained`` was an outcome, in today's words; any other as it is.

    ``stalled`` was an outcome then, ``diverged`` was also a loss that had not fallen, and a finished run could be at
    chance. Judged anew from the recorded accuracy, as far as it goes, with chance at 1 / classes.
    """
    status = result.get("status")
    if "stalled" in result or status not in ("finished", "stalled", "diverged"):
        return result
    if status == "diverged" and not _only_stayed(result):
        return result | {"stalled": None}
    gain = _number(result, "metrics", "skip_gain/mean_abs")
    stalled = status == "stalled" or (None if gain is None else gain < _GAIN)
    accuracy = _number(result, "metrics", "test/accuracy")
    images, classes = _number(result, "data", "test"), _number(result, "data", "classes")
    if None in (accuracy, images, classes):
        return result if status == "finished" else result | {"status": "finished", "reason": "", "stalled": stalled}
    guessing = _at_chance(accuracy or 0.0, images or 0.0, classes or 0.0)
    done = result.get("steps_done")
    stopped = f"stopped after step {done}" if done is not None and done != result.get("steps") else ""
    reason = "; ".join(text for text in (stopped, guessing) if text)
    return result | {"status": "untrained" if guessing else "finished", "reason": reason, "stalled": stalled}


def _at_chance(accuracy: float, images: float, classes: float) -> str:
    if not (0 <= accuracy <= 1 and images >= 1 and classes >= 1):
        return ""
    p = p_of_guessing(round(accuracy * images), round(images), 1 / classes)
    return guessed("test", accuracy, round(images), 1 / classes, p) if p > _LEVEL else ""


def guessed(split: str, accuracy: float, images: int, share: float, p: float) -> str:
    """Why a run counts as untrained, in words."""
    return (
        f"{split} accuracy {accuracy:.2%} of {images:,} images is no better than guessing the largest class, "
        f"{share:.2%} (p = {p:.2g}, not below {_LEVEL:g})"
    )


def explanation(result: Mapping[str, Any]) -> str:
    """What stands beside the outcome of a run that has stalled, else nothing."""
    if not result.get("stalled"):
        return ""
    gain = _number(result, "metrics", "skip_gain/mean_abs")
    return "stalled" + (f": mean |skip gain| {gain:.2g} at the end" if gain is not None else "")


def _only_stayed(result: Mapping[str, Any]) -> bool:
    """Whether what was called diverged is a loss that stayed at its start, finite, and did not blow up."""
    initial = _number(result, "metrics", "train/initial_loss")
    final = _number(result, "metrics", "train/final_loss")
    classes = _number(result, "data", "classes")
    if "not below its initial" not in str(result.get("reason")):
        return False
    if initial is None or final is None or classes is None or classes < 1:
        return False
    return final <= _BLOWN_UP * max(initial, math.log(classes))


def _number(result: Mapping[str, Any], part: str, key: str) -> float | None:
    content = result.get(part)
    value = content.get(key) if isinstance(content, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
