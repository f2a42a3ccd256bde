"""The numbers of images and classes that a configuration leaves to the files of a data set."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from normfree.config.errors import UserError
from normfree.config.images import parquet_files
from normfree.config.parquet import TEST, TRAIN, count_classes, count_rows
from normfree.config.schema import DataConfig

HELD_OUT = 10
"""One in so many training images is held out for selection, and as many again where there are no test files."""


def counted(data: DictConfig) -> dict[str, Any]:
    """``classes`` and the samples of each split, as given or else as the parquet files have them.

    Raises:
        UserError: the files are missing or broken, or have too few images for the splits.
    """
    given = {
        key: data[key]
        for key in ("classes", "train_samples", "validation_samples", "test_samples")
        if not OmegaConf.is_missing(data, key)
    }
    files = parquet_files(DataConfig(name=data.name, root=data.root, train_size=data.train_size))
    total = count_rows(files[TRAIN])
    validation = given.get("validation_samples", total // HELD_OUT)
    test = given.get("test_samples", count_rows(files[TEST]) if files[TEST] else total // HELD_OUT)
    train = given.get("train_samples", total - validation - (0 if files[TEST] else test))
    if train < 1:
        raise UserError(
            f"data.root={data.root}: {total} images leave none for training beside {validation} for validation "
            f"and {test} for the test; give files with more, or smaller data.validation_samples and data.test_samples"
        )
    classes = given["classes"] if "classes" in given else count_classes(files[TRAIN])
    return {"classes": classes, "train_samples": train, "validation_samples": validation, "test_samples": test}
