"""What reads the images of each source, by the name that its descriptor in ``normfree.config.sources`` gives."""

from collections.abc import Callable
from functools import partial

from omegaconf import MISSING

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources import named
from normfree.config.sources.folder import FolderSource
from normfree.config.sources.parquet import ParquetSource
from normfree.data.held import Part, held_arrays
from normfree.data.mnist5k import mnist5k
from normfree.data.resident import Arrays
from normfree.data.samples import FolderSamples, ParquetSamples
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


def parts_of(data: DataConfig) -> dict[str, Part]:
    """What reads the training images and, where they have files of their own, the test images.

    Raises:
        UserError: as :func:`arrays_of`; the images are not encoded files.
    """
    if not encoded_images(data):
        raise UserError(
            f"data.loader={data.loader}: torchvision's files of {data.name} are held in memory; leave it out"
        )
    return _PARTS[named(data.name).reader(data)](data)


def _folder(data: DataConfig) -> dict[str, Part]:
    source = named(data.name)
    assert isinstance(source, FolderSource)
    folders = source.folders(data)
    samples = {name: FolderSamples(folder) for name, folder in folders.items()}
    for name, found in samples.items():
        if data.classes not in (MISSING, len(found.classes)):
            raise UserError(
                f"data.classes={data.classes}: {folders[name]} has {len(found.classes)} class folders; "
                f"set data.classes={len(found.classes)}"
            )
    return {name: Part(found.files, partial(_same, found)) for name, found in samples.items()}


def _same(samples: FolderSamples) -> FolderSamples:
    return samples


def _parquet(data: DataConfig) -> dict[str, Part]:
    source = named(data.name)
    assert isinstance(source, ParquetSource)
    return {name: Part(files, partial(ParquetSamples, files)) for name, files in source.files(data).items() if files}


def _mnist5k(data: DataConfig) -> Arrays:
    return mnist5k(data.train_size)


_ARRAYS: dict[str, Callable[[DataConfig], Arrays]] = {
    "mnist5k": _mnist5k,
    "synthetic": synthetic_arrays,
    "torchvision": torchvision_arrays,
}
_PARTS: dict[str, Callable[[DataConfig], dict[str, Part]]] = {"folder": _folder, "parquet": _parquet}
