"""The fixed split of a data set that brings none of its own: cut from one random order, the same for every run."""

import numpy as np
import torch
from numpy.typing import NDArray

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


def cut(train: Images, test: Images | None, data: DataConfig) -> Arrays:
    """Test (where it has no images of its own), validation and training images, in this order, out of ``train``.

    Raises:
        UserError: the labels are not those of ``data.classes`` classes.
    """
    for images in (train, test):
        if images is not None:
            _check_labels(images, data)
    first = 0 if test is not None else data.test_samples
    last = first + data.validation_samples
    return {
        "train": (train.images[last:], train.labels[last:]),
        "validation": (train.images[first:last], train.labels[first:last]),
        "test": (train.images[:first], train.labels[:first]) if test is None else (test.images, test.labels),
    }


def _check_labels(images: Images, data: DataConfig) -> None:
    least, most = int(images.labels.min()), int(images.labels.max())
    if least < 0 or most >= data.classes:
        wrong = least if least < 0 else most
        remedy = "labels count from 0" if least < 0 else f"set data.classes={most + 1} or more"
        raise UserError(f"data.classes={data.classes}: {data.name} has an image of class {wrong}; {remedy}")
