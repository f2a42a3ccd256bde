"""Two networks on the same images: the paired difference of their accuracies and McNemar's test.

The exact test asks whether of the images that one of them alone gets right each network has half (McNemar 1947,
Psychometrika 12). The interval of the difference is Agresti and Min's (2005, Statistics in Medicine 24), which holds
for few discordant images too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

from normfree.config import UserError
from normfree.evaluate.numbers import LEVEL
from normfree.evaluate.predictions import Predictions


@dataclass(frozen=True)
class Paired:
    """Of A and B on the same images.

    Attributes:
        both, neither: images that both, or none, get right.
        first_alone, second_alone: that A alone, or B alone, gets right.
        agree: of the same prediction, right or wrong.
    """

    images: int
    both: int
    first_alone: int
    second_alone: int
    neither: int
    agree: int

    @property
    def difference(self) -> float:
        """Accuracy of A less that of B, in [-1, 1]."""
        return (self.first_alone - self.second_alone) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference, 95 %."""
        images, first, second = self.images + 2, self.first_alone + 0.5, self.second_alone + 0.5
        middle = (first - second) / images
        half = float(norm.ppf((1 + LEVEL) / 2)) * sqrt((first + second) - (first - second) ** 2 / images) / images
        return max(-1.0, middle - half), min(1.0, middle + half)

    @property
    def p_value(self) -> float:
        """Exact and two-sided; 1 where they never differ."""
        discordant = self.first_alone + self.second_alone
        return float(binomtest(self.first_alone, discordant).pvalue) if discordant else 1.0

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return vars(self) | {
            "difference": self.difference, "difference_interval": list(self.interval), "mcnemar_p": self.p_value
        }  # fmt: skip


def paired(first: Predictions, second: Predictions) -> Paired:
    """
    Raises:
        UserError: they are not of the same images.
    """
    if not np.array_equal(first.index, second.index) or not np.array_equal(first.label, second.label):
        raise UserError("compare: the images of the two are not the same; give both the same data= and split=")
    a, b = first.correct, second.correct
    return Paired(
        images=len(a),
        both=int((a & b).sum()),
        first_alone=int((a & ~b).sum()),
        second_alone=int((~a & b).sum()),
        neither=int((~a & ~b).sum()),
        agree=int((first.prediction == second.prediction).sum()),
    )
