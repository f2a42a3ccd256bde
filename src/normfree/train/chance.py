"""Whether a network does better than guessing, by a test fixed before the run.

See docs/decisions/0004-outcomes.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from normfree.config.schema import OutcomeConfig
from normfree.runs.chance import p_of_guessing, tells
from normfree.runs.outcomes import guessed
from normfree.train.evaluation import Scores

FEW_IMAGES = 1000
"""A test split of fewer is judged together with the validation split: alone it could miss who learned a little."""


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
