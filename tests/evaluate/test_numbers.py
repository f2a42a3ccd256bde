"""Numbers of predictions beside restatements of other people's."""

from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from normfree.config import UserError
from normfree.evaluate.numbers import confusion, interval, measures, of_classes
from normfree.evaluate.paired import Paired, paired
from normfree.evaluate.predictions import Predictions, joined, judged, surest_mistakes


def predictions(images: int = 400, classes: int = 12, seed: int = 0) -> tuple[Predictions, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (images,), generator=generator)
    logits = torch.randn(images, classes, generator=generator) + 2 * torch.nn.functional.one_hot(labels, classes)
    return judged(logits, labels, range(images)), logits, labels


def test_they_are_torchmetrics() -> None:
    found, logits, labels = predictions()
    numbers = measures(found)
    probabilities = logits.softmax(1)
    error = multiclass_calibration_error(probabilities, labels, num_classes=12, n_bins=15, norm="l1")
    assert numbers["ece"] == pytest.approx(float(error), abs=1e-6)
    for key, top in (("top1", 1), ("top5", 5)):
        expected = multiclass_accuracy(logits, labels, num_classes=12, average="micro", top_k=top)
        assert numbers[key] == pytest.approx(float(expected), abs=1e-7)
    assert numbers["nll"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-6)
    assert numbers["correct"] == int((logits.argmax(1) == labels).sum())


def test_of_five_classes_or_fewer_there_is_no_top5() -> None:
    found, _, _ = predictions(classes=4)
    assert (measures(found)["top5"], found.top.shape[1]) == (None, 4)


def test_wilsons_interval_is_the_root_of_its_equation() -> None:
    z = 1.959963984540054
    for correct, images in ((0, 10), (7, 10), (958, 1000), (10, 10)):
        share = correct / images
        for end in interval(correct, images):
            assert abs(share - end) == pytest.approx(z * (end * (1 - end) / images) ** 0.5, abs=1e-9)


def test_classes_are_counted_from_the_confusion() -> None:
    found, logits, labels = predictions(classes=3)
    counts = confusion(found, 3)
    said = logits.argmax(1)
    assert counts.tolist() == [[int(((labels == i) & (said == j)).sum()) for j in range(3)] for i in range(3)]
    one = of_classes(counts, "abc")[1]
    assert one["recall"] == counts[1, 1] / counts[1].sum()
    assert one["precision"] == counts[1, 1] / counts[:, 1].sum()
    assert one["f1"] == pytest.approx(2 / (1 / one["recall"] + 1 / one["precision"]))
    assert one["most_confused_with"] == ("a" if counts[1, 0] >= counts[1, 2] else "c")
    assert [each["number"] for each in of_classes(np.diag([1, 0, 2]), "abc")] == [0, 2]


@given(first=st.integers(0, 40), second=st.integers(0, 40), both=st.integers(0, 50))
def test_mcnemar_is_a_sum_of_binomial_terms(first: int, second: int, both: int) -> None:
    found = Paired(first + second + both + 1, both, first, second, 1, both)
    total = first + second
    tail = sum(comb(total, k) for k in range(min(first, second) + 1)) / 2**total
    assert found.p_value == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
    low, high = found.interval
    assert -1 <= low <= high <= 1
    # The estimate of Agresti and Min is drawn towards 0.
    assert low <= (first - second) / (found.images + 2) <= high


def test_pairs_are_of_the_same_images() -> None:
    (one, _, _), (other, _, _) = predictions(seed=0), predictions(seed=1)
    with pytest.raises(UserError, match="not the same"):
        paired(one, other)
    again = paired(one, one)
    assert (again.difference, again.p_value, again.first_alone, again.agree) == (0, 1, 0, 400)


def test_parts_are_joined_in_the_order_of_the_split() -> None:
    whole, logits, labels = predictions(20)
    parts = [judged(logits[rank::3], labels[rank::3], range(rank, 20, 3)) for rank in (2, 0, 1)]
    again = joined(parts)
    assert all(np.array_equal(getattr(again, name), getattr(whole, name)) for name in vars(whole))
    with pytest.raises(RuntimeError, match="twice"):
        joined([*parts, parts[0]])


def test_of_equal_mistakes_the_first_is_kept() -> None:
    from normfree.evaluate.predictions import Mistake

    pixels = np.zeros((1, 2, 2), np.uint8)
    every = [Mistake(index, 0, 1, share, 0.1, pixels) for index, share in enumerate((0.5, 0.9, 0.5, 0.7))]
    assert [each.index for each in surest_mistakes(every, 3)] == [1, 3, 0]
