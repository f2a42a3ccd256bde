"""Where images come from, a descriptor a source.

A new one is a file here with its ``SOURCES``, a reader in ``normfree.data.readers`` by the name that the descriptor
gives, and a YAML; it is found, and no list names it.
"""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.beton import BetonSource
from normfree.config.sources.look import Look
from normfree.config.sources.reading import Reading
from normfree.config.sources.source import DataSource

_FIRST = ("beton", "embedded", "parquet", "cifar", "folder")
"""Files whose sources are told in this order; those of others follow by their names."""


def _found() -> tuple[DataSource, ...]:
    """Of every file here that has any.

    Raises:
        ValueError: two have one name.
    """
    files = sorted(
        (module.name for module in pkgutil.iter_modules(__path__)),
        key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name),
    )
    found: list[DataSource] = []
    for file in files:
        for source in getattr(import_module(f"{__name__}.{file}"), "SOURCES", ()):
            if taken := {name for other in found for name in other.names} & set(source.names):
                raise ValueError(f"config/sources/{file}.py: a source named {taken.pop()} is there already")
            found.append(source)
    return tuple(found)


SOURCES = _found()
"""The first that matches a configuration reads it: .beton files of any data set before the data set's own."""

HELD_OUT = 10
"""One in so many training images is held out for selection, and as many again where there are no test files."""

_FOR_READING = ("name", "root", "train_file", "test_file", "loader", "train_size", "on_error", "_target_", "arguments")

__all__ = [
    "LOADERS",
    "SOURCES",
    "DataSource",
    "Look",
    "Reading",
    "check_source",
    "counted",
    "is_ffcv",
    "is_resident",
    "look_at",
    "named",
    "read_of",
    "require_images",
    "source_of",
]

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
    return isinstance(source_of(data), BetonSource)


def is_resident(data: DataConfig) -> bool:
    """Whether the images are held in memory: as ``data.loader`` says, or else as is usual for the source."""
    return data.loader == "resident" or (data.loader == "auto" and named(data.name).resident)


def require_images(data: DataConfig) -> None:
    """Look for a data set, and at some of its images.

    Raises:
        UserError: says where it looked, how to give the place and what works without it; or names an image that cannot
            be read, unless ``data.on_error`` is ``skip``.
    """
    source_of(data).requires(data)
    if data.on_error == "raise" and (seen := look_at(data)) is not None:
        seen.refuse_broken()


def look_at(data: DataConfig) -> Look | None:
    """What a first look at some of the images shows; ``None`` where there is nothing to look at.

    Raises:
        UserError: as :func:`require_images`, they are not there.
    """
    return source_of(data).look(data)


def read_of(data: DataConfig) -> Reading:
    """What a configuration reads: classes, images, what is left out and a digest.

    Raises:
        UserError: as :func:`require_images`, or a file is broken.
    """
    return source_of(data).reads(data)


def check_source(data: DataConfig) -> None:
    """What a source cannot do is refused, not left out.

    Raises:
        UserError: names the key.
    """
    own = named(data.name)
    if data.classes < 2:
        raise UserError(
            f"data.classes={data.classes}: {data.label} has one class, and a classifier tells two or more apart; "
            f"{own.layout}"
        )
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
        UserError: the files are missing or broken, hold one class, or have too few images for the splits.
    """
    keys = ("classes", "train_samples", "validation_samples", "test_samples")
    given = {key: data[key] for key in keys if not OmegaConf.is_missing(data, key)}
    typed = DataConfig(**{key: _plain(data[key]) for key in _FOR_READING if not OmegaConf.is_missing(data, key)})
    there = source_of(typed).reads(typed)
    total, test_files = there.images["train"], there.images.get("test")
    validation = given.get("validation_samples", there.images.get("validation", total // HELD_OUT))
    test = given.get("test_samples", total // HELD_OUT if test_files is None else test_files)
    cut = (validation if "validation" not in there.images else 0) + (test if test_files is None else 0)
    train = given.get("train_samples", total - cut)
    if train < 1:
        raise UserError(
            f"data.root={data.root}: {total} images leave none for training beside {validation} for validation "
            f"and {test} for the test; give files with more, or smaller data.validation_samples and data.test_samples"
        )
    shapes = source_of(typed).shapes(typed)
    return {
        **{key: value for key, value in shapes.items() if OmegaConf.is_missing(data, key)},
        "classes": given.get("classes", len(there.classes)),
        "train_samples": train,
        "validation_samples": validation,
        "test_samples": test,
    }


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if isinstance(value, DictConfig) else value
