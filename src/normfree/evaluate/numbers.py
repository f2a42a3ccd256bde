"""Numbers of a set of predictions: accuracies with their intervals, negative log-likelihood, calibration, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from normfree.evaluate.predictions import Predictions

BINS = 15
"""Of the calibration error: Guo et al. 2017 (arXiv 1706.04599), section 4."""
LEVEL = 0.95


@dataclass(frozen=True)
class Bin:
    """Predictions whose confidence lies in (low, high]; means are 0 where there are none."""

    low: float
    high: float
    images: int
    accuracy: float
    confidence: float


def interval(correct: int, images: int) -> tuple[float, float]:
    """Wilson's interval of a share, 95 %."""
    found = binomtest(correct, images).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Bins of equal width over [0, 1] (Guo et al. 2017, equation 2)."""
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for number in range(bins):
        here = place == number
        count = int(here.sum())
        means = (float(correct[here].mean()), float(confidence[here].mean())) if count else (0.0, 0.0)
        found.append(Bin(float(edges[number]), float(edges[number + 1]), count, *means))
    return found


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error in [0, 1] (Guo et al. 2017, equation 3)."""
    total = sum(each.images for each in bins)
    return sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / total


def measures(found: Predictions) -> dict[str, Any]:
    """Of one condition, for JSON.

    ``top1`` and ``top5`` are shares in [0, 1], the latter None without more than five classes; ``nll`` nats an image.
    """
    correct, images = int(found.correct.sum()), len(found)
    five = found.top.shape[1] == 5
    among = int(found.among_top.sum()) if five else None
    return {
        "images": images,
        "correct": correct,
        "top1": correct / images,
        "top1_interval": list(interval(correct, images)),
        "among_five": among,
        "top5": None if among is None else among / images,
        "nll": float(found.nll.mean()),
        "ece": calibration_error(reliability(found.confidence, found.correct)),
        "mean_confidence": float(found.confidence.mean()),
    }


def confusion(found: Predictions, classes: int) -> NDArray[np.int64]:
    """``[classes, classes]``: images by label (rows) and prediction (columns)."""
    counts = np.bincount(found.label * classes + found.prediction, minlength=classes * classes)
    return counts.reshape(classes, classes)


def of_classes(counts: NDArray[np.int64], names: Sequence[str]) -> list[dict[str, Any]]:
    """For every class with an image or a prediction: images, recall, precision, F1 and what it is taken for most."""
    found = []
    for number, name in enumerate(names):
        images, predicted, right = int(counts[number].sum()), int(counts[:, number].sum()), int(counts[number, number])
        if not images and not predicted:
            continue
        others = counts[number].copy()
        others[number] = 0
        other = int(others.argmax())
        recall = right / images if images else None
        precision = right / predicted if predicted else None
        found.append({
            "number": number, "name": name, "images": images, "predicted": predicted, "correct": right,
            "recall": recall, "precision": precision, "f1": 2 * right / (images + predicted),
            "most_confused_with": names[other] if others[other] else None, "times": int(others[other]),
        })  # fmt: skip
    return found
