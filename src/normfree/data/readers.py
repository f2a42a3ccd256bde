"""What reads the images of each source, by the name that its descriptor in ``normfree.config.sources`` gives."""

from collections.abc import Callable

from omegaconf import MISSING

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources import named
from normfree.config.sources.folder import FolderSource
from normfree.config.sources.labels import names_of
from normfree.config.sources.own import OwnSource
from normfree.config.sources.parquet import ParquetSource
from normfree.config.sources.words import TRAIN
from normfree.data.held import held_arrays
from normfree.data.mnist5k import mnist5k
from normfree.data.own_samples import OwnSamples
from normfree.data.resident import Arrays
from normfree.data.samples import FolderSamples, ParquetSamples, Samples
from normfree.data.synthetic import synthetic_arrays
from normfree.data.torchvision_cifar import torchvision_arrays


def arrays_of(data: DataConfig) -> tuple[Arrays, dict[str, int]]:
    """The three splits in memory, and how many unreadable images of each part were left out.

    Raises:
        UserError: the images are missing, unreadable or not what the configuration says.
    """
    if encoded_images(data):
        return held_arrays(parts_of(data), data)
    return _ARRAYS[named(data.name).reader(data)](data), {}


def encoded_images(data: DataConfig) -> bool:
    """Whether each image is read by itself; else there are arrays of all of them alone."""
    return named(data.name).reader(data) in _PARTS


def parts_of(data: DataConfig) -> dict[str, Samples]:
    """The training images and, where they have files of their own, the validation and test images.

    Raises:
        UserError: as :func:`arrays_of`; the images are not encoded files.
    """
    if not encoded_images(data):
        raise UserError(
            f"data.loader={data.loader}: torchvision's files of {data.name} are held in memory; leave it out"
        )
    return _PARTS[named(data.name).reader(data)](data)


def _folder(data: DataConfig) -> dict[str, Samples]:
    source = named(data.name)
    assert isinstance(source, FolderSource)
    listing = source.listing(data)
    if data.classes not in (MISSING, len(listing.classes)):
        raise UserError(
            f"data.classes={data.classes}: {listing.parts[TRAIN].folder} has {len(listing.classes)} class folders; "
            f"set data.classes={len(listing.classes)}"
        )
    return {split: FolderSamples(part) for split, part in listing.parts.items()}


def _parquet(data: DataConfig) -> dict[str, Samples]:
    source = named(data.name)
    assert isinstance(source, ParquetSource)
    files = source.files(data)
    names = names_of(files)
    return {split: ParquetSamples(paths, names) for split, paths in files.items() if paths}


def _custom(data: DataConfig) -> dict[str, Samples]:
    source = named(data.name)
    assert isinstance(source, OwnSource)
    return {split: OwnSamples(items) for split, items in source.splits(data).items()}


def _mnist5k(data: DataConfig) -> Arrays:
    return mnist5k(data.train_size)


_ARRAYS: dict[str, Callable[[DataConfig], Arrays]] = {
    "mnist5k": _mnist5k,
    "synthetic": synthetic_arrays,
    "torchvision": torchvision_arrays,
}
_PARTS: dict[str, Callable[[DataConfig], dict[str, Samples]]] = {
    "folder": _folder,
    "parquet": _parquet,
    "custom": _custom,
}
