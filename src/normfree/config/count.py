"""The numbers of images and classes that a configuration leaves to the files of a data set."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from normfree.config.beton import beton_files, read_beton
from normfree.config.errors import UserError
from normfree.config.hub import hub_name
from normfree.config.images import image_folders, is_ffcv, parquet_places, torchvision_root
from normfree.config.parquet import TEST, TRAIN, count_classes, count_rows, holds_jpeg
from normfree.config.schema import DataConfig

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Of image files, as torchvision reads them."""

COUNTED = ("parquet", "folder", "ffcv")
"""Options that are any data set: which one, only ``data.root`` says, or ``data.train_file``."""

_UNCOMPRESSED = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}

HELD_OUT = 10
"""One in so many training images is held out for selection, and as many again where there are no test files."""


def label_by_root(data: DataConfig) -> None:
    """Any data set is called, and told from others, by the last name of its ``root`` unless it has a label."""
    root = data.train_file or data.root
    if data.name in COUNTED and data.label == data.name and root:
        name = hub_name(root) if data.name == "parquet" else None
        data.label = name.label if name is not None else Path(root).expanduser().absolute().stem


def label_by_encoding(data: DataConfig) -> None:
    """CIFAR as JPEG is not the published data set, which is uncompressed, and is not called by its name alone."""
    if data.label != _UNCOMPRESSED.get(data.name) or data.root is None or is_ffcv(data):
        return
    try:
        if torchvision_root(data) is None and any(map(holds_jpeg, parquet_places(data)[TRAIN][:1])):
            data.label += " (JPEG)"
    except UserError:
        # Files that are missing or broken are told of where a run or a plan looks for them.
        return


class _There(NamedTuple):
    """What the files have; ``test`` is ``None`` where no files are for the test."""

    classes: int
    train: int
    test: int | None


def counted(data: DictConfig) -> dict[str, Any]:
    """``classes`` and the samples of each split, as given or else as the files have them.

    Raises:
        UserError: the files are missing or broken, or have too few images for the splits.
    """
    given = {
        key: data[key]
        for key in ("classes", "train_samples", "validation_samples", "test_samples")
        if not OmegaConf.is_missing(data, key)
    }
    typed = DataConfig(name=data.name, root=data.root, train_file=data.train_file, test_file=data.test_file)
    if data.name == "parquet":
        typed.train_size = data.train_size
    there = _IN[data.name](typed)
    total = there.train
    validation = given.get("validation_samples", total // HELD_OUT)
    test = given.get("test_samples", total // HELD_OUT if there.test is None else there.test)
    train = given.get("train_samples", total - validation - (test if there.test is None else 0))
    if train < 1:
        raise UserError(
            f"data.root={data.root}: {total} images leave none for training beside {validation} for validation "
            f"and {test} for the test; give files with more, or smaller data.validation_samples and data.test_samples"
        )
    return {
        "classes": given.get("classes", there.classes),
        "train_samples": train,
        "validation_samples": validation,
        "test_samples": test,
    }


def _in_beton(data: DataConfig) -> _There:
    files = beton_files(data.train_file, data.test_file, data.root)
    labels = {part: read_beton(path).labels for part, path in files.items()}
    return _There(int(labels[TRAIN].max()) + 1, len(labels[TRAIN]), len(labels[TEST]) if TEST in labels else None)


def _in_parquet(data: DataConfig) -> _There:
    files = parquet_places(data)
    test = count_rows(files[TEST]) if files[TEST] else None
    return _There(count_classes(files[TRAIN]), count_rows(files[TRAIN]), test)


def _in_folders(data: DataConfig) -> _There:
    folders = image_folders(data)
    counts = {split: _count_images(folder) for split, folder in folders.items()}
    classes = sum(entry.is_dir() for entry in folders[TRAIN].iterdir())
    return _There(classes, counts[TRAIN], counts.get(TEST))


def _count_images(folder: Path) -> int:
    return sum(name.lower().endswith(EXTENSIONS) for _, _, names in os.walk(folder, followlinks=True) for name in names)


_IN = {"parquet": _in_parquet, "folder": _in_folders, "ffcv": _in_beton}
