"""The fixed split of a data set that brings none of its own: cut from one random order, the same for every run."""

import warnings
from collections.abc import Container

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.data.cache import Images
from normfree.data.order import SPLIT, generator
from normfree.data.resident import Arrays


def shuffled_places(samples: int) -> NDArray[np.int64]:
    """Where each image goes: sets are kept in this order, so that a split is a slice and no copy."""
    order = torch.randperm(samples, generator=generator(0, SPLIT, 0))
    places: NDArray[np.int64] = order.numpy()
    return places


def shuffled_order(samples: int) -> Tensor:
    """Which image is at each place: the inverse of :func:`shuffled_places`, so that all loaders cut the same splits."""
    return torch.from_numpy(shuffled_places(samples)).argsort()


def cut_points(data: DataConfig, own: Container[str]) -> tuple[int, int]:
    """Ends of the test and validation images in the random order; with images of their ``own`` they take none of it."""
    first = 0 if "test" in own else data.test_samples
    return first, first + (0 if "validation" in own else data.validation_samples)


def cut(train: Images, test: Images | None, data: DataConfig, validation: Images | None = None) -> Arrays:
    """Test, validation and training images, in this order, out of ``train``, but for those with images of their own.

    Raises:
        UserError: the labels are not those of ``data.classes`` classes.
    """
    check_labels(train.labels, data, "training")
    own = {name: part for name, part in (("validation", validation), ("test", test)) if part is not None}
    for name, part in own.items():
        check_labels(part.labels, data, name)
    first, last = cut_points(data, own)
    # Images that are left out are missing in the split that they belong to, as with other loaders.
    first, last = (end - int(train.skipped[:end].sum()) for end in (first, last))
    parts = {"train": slice(last, None), "validation": slice(first, last), "test": slice(first)}
    arrays = {split: (train.images[part], train.labels[part]) for split, part in parts.items()}
    return arrays | {split: (part.images, part.labels) for split, part in own.items()}


def check_labels(labels: Tensor, data: DataConfig, which: str) -> None:
    """Classes without a training image are warned of.

    Raises:
        UserError: a label is below 0, or not below ``data.classes``.
    """
    if not len(labels):
        raise UserError(f"data.root={data.root}: {data.name} has no readable {which} images there; give another folder")
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most >= data.classes:
        wrong = least if least < 0 else most
        remedy = "labels count from 0" if least < 0 else f"set data.classes={most + 1} or more"
        raise UserError(f"data.classes={data.classes}: {data.name} has a {which} image of class {wrong}; {remedy}")
    if which == "training":
        empty = torch.nonzero(torch.bincount(labels, minlength=data.classes) == 0)[:, 0].tolist()
        if empty:
            listed = ", ".join(map(str, empty[:5])) + (", ..." if len(empty) > 5 else "")
            warnings.warn(
                f"data.classes={data.classes}: {data.name} has no training image of {len(empty)} of them ({listed}); "
                "the network cannot learn these",
                stacklevel=2,
            )
