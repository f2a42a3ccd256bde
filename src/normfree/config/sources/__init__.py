"""Where images come from, a descriptor a source. A new one is a file here, a reader in ``normfree.data``, a YAML."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.beton import BetonSource
from normfree.config.sources.cifar import CIFAR
from normfree.config.sources.embedded import Mnist5kSource, SyntheticSource
from normfree.config.sources.folder import FolderSource, ImageNetSource
from normfree.config.sources.parquet import ImagenetteSource, ParquetSource
from normfree.config.sources.source import HELD_OUT, DataSource

BETON = BetonSource()
SOURCES: tuple[DataSource, ...] = (
    BETON, Mnist5kSource(), ParquetSource(), *CIFAR.values(), ImagenetteSource(), ImageNetSource(), FolderSource(),
    SyntheticSource(),
)  # fmt: skip
"""The first that matches a configuration reads it: .beton files of any data set before the data set's own."""

LOADERS = ("auto", "resident", "workers", "ffcv")


def named(name: str) -> DataSource:
    """The source that ``data=`` names.

    Raises:
        UserError: there is none.
    """
    for source in SOURCES:
        if name in source.names:
            return source
    known = ", ".join(each for source in SOURCES for each in source.names)
    raise UserError(f"data.name={name}: no such source; choose one of {known}")


def source_of(data: DataConfig) -> DataSource:
    """What a configuration reads from.

    Raises:
        UserError: as :func:`named`.
    """
    return next((source for source in SOURCES if source.matches(data)), None) or named(data.name)


def is_ffcv(data: DataConfig) -> bool:
    """Whether the images come from .beton files."""
    return source_of(data) is BETON


def is_resident(data: DataConfig) -> bool:
    """Whether the images are held in memory: as ``data.loader`` says, or else as is usual for the source."""
    return data.loader == "resident" or (data.loader == "auto" and named(data.name).resident)


def require_images(data: DataConfig) -> None:
    """Look for a data set without reading its images.

    Raises:
        UserError: says where it looked, how to give the place and what works without it.
    """
    source_of(data).requires(data)


def check_source(data: DataConfig) -> None:
    """What a source cannot do is refused, not left out.

    Raises:
        UserError: names the key.
    """
    own = named(data.name)
    if is_resident(data) and data.test_size != data.train_size and own.tested_at_train_size:
        raise UserError(
            f"data.test_size={data.test_size}: {data.name} is tested at the size of training where it is "
            f"held in memory; leave it out or set data.train_size={data.test_size}, or data.loader=workers"
        )
    for source in dict.fromkeys((own, source_of(data))):
        source.check(data)


def counted(data: DictConfig) -> Mapping[str, Any]:
    """``classes`` and the samples of each split, as given or else as the files have them.

    Raises:
        UserError: the files are missing or broken, or have too few images for the splits.
    """
    keys = ("classes", "train_samples", "validation_samples", "test_samples")
    given = {key: data[key] for key in keys if not OmegaConf.is_missing(data, key)}
    typed = DataConfig(name=data.name, root=data.root, train_file=data.train_file, test_file=data.test_file)
    source = source_of(typed)
    if not OmegaConf.is_missing(data, "train_size"):
        typed.train_size = data.train_size
    there = source.counts(typed)
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
