"""What is counted over a split: accuracy, loss and the share of the largest class."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from torch import nn

from normfree.data import Batch, Source
from normfree.train.evaluation import evaluate, highest, logits_of, measure

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


class Edges(nn.Module):
    """Logits are the pixels at the left and at the right."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.one * torch.stack([images[:, 0, 0, 0], images[:, 0, 0, -1]], 1)


def test_the_mirror_image_counts_as_much() -> None:
    images = torch.tensor([[[[1.0, 5.0]]], [[[3.0, 2.0]]]])
    assert logits_of(Edges(), images, False).tolist() == [[1, 5], [3, 2]]
    assert logits_of(Edges(), images, True).tolist() == [[3, 3], [2.5, 2.5]]


SEVEN = torch.tensor([
    [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
])  # fmt: skip
"""Logits of three images; of equal ones the first is the highest."""


class Table(nn.Module):
    """The logits that stand for each image; its one number is the image's row."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits[images.flatten().long()]


class Labelled(Ten):
    """So many images with these labels, in batches of two."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = torch.tensor(labels)

    def evaluation_batches(self, split: str, size: int) -> Iterator[Batch]:
        numbers = torch.arange(len(self.labels), dtype=torch.float32).view(-1, 1, 1, 1)
        for start in range(0, len(self.labels), 2):
            yield Batch(numbers[start : start + 2], self.labels[start : start + 2])

    def size(self, split: str) -> int:
        return len(self.labels)

    share_size = size


@pytest.mark.parametrize(
    ("labels", "correct", "among_five"),
    [([0, 0, 6], 3, 3), ([4, 4, 2], 0, 3), ([5, 5, 1], 0, 0), ([1, 6, 6], 1, 2)],
)
def test_among_the_fivehighest(labels: list[int], correct: int, among_five: int) -> None:
    source: Any = Labelled(labels)
    scores = measure(Table(SEVEN), cast(Source, source), "test", torch.device("cpu"))
    assert (scores.correct, scores.among_five) == (correct, among_five)
    assert scores.named("test", "ema_")["test/ema_top5_accuracy"] == among_five / 3
    assert (scores + scores).among_five == 2 * among_five


def test_of_five_classes_all_are_among_five() -> None:
    source: Any = Labelled([0, 1, 2])
    scores = measure(Table(SEVEN[:, :5]), cast(Source, source), "test", torch.device("cpu"))
    assert scores.among_five is None
    assert scores.named("test").keys() == {"test/accuracy", "test/loss"}


@pytest.mark.parametrize("seed", range(3))
def test_the_five_are_those_of_topk_and_the_first_is_that_of_argmax(seed: int) -> None:
    logits = torch.randn(64, 10, generator=torch.Generator().manual_seed(seed))
    found = highest(logits)
    assert torch.equal(found, logits.topk(5, dim=1).indices)
    with_equals = logits.round()
    assert torch.equal(highest(with_equals)[:, 0], with_equals.argmax(1))
