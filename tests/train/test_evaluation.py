"""What is counted over a split: accuracy, loss and the share of the largest class."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from torch import nn

from normfree.data import Batch, Source
from normfree.train.evaluation import evaluate, measure

LABELS = torch.tensor([0] * 9 + [1])
"""Nine of ten images are of one class."""


class Ten:
    """Ten images in batches of four; the other methods of a source are those that evaluation asks."""

    def evaluation_batches(self, split: str, size: int) -> Iterator[Batch]:
        images = torch.zeros(10, 1, 2, 2)
        for start in range(0, 10, 4):
            yield Batch(images[start : start + 4], LABELS[start : start + 4])

    def size(self, split: str) -> int:
        return 10

    share_size = size

    def skipped(self) -> dict[str, int]:
        return dict.fromkeys(("train", "validation", "test"), 0)


class Always(nn.Module):
    """Says the same of every image."""

    def __init__(self, said: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.eye(3)[said])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), 3)


@pytest.mark.parametrize(("said", "correct"), [(0, 9), (1, 1), (2, 0)])
def test_chance_is_the_share_of_the_largest_class_of_the_images_themselves(said: int, correct: int) -> None:
    source: Any = Ten()
    scores = measure(Always(said), cast(Source, source), "test", torch.device("cpu"))
    assert (scores.correct, scores.images, scores.largest_class) == (correct, 10, 0.9)
    named = evaluate(Always(said), cast(Source, source), "test", torch.device("cpu"), prefix="ema_")
    assert named == scores.named("test", "ema_")
    assert named["test/ema_accuracy"] == correct / 10
