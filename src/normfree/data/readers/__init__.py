"""What reads the images of each source: the file here that its descriptor in ``normfree.config.sources`` names.

It has ``arrays(data)``, the three splits in memory, or ``parts(data)``, images that are each read by themselves:
`normfree.data.samples.Samples` of the training images and, where they have files of their own, of validation and test.
"""

from importlib import import_module
from types import ModuleType

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources import named
from normfree.data.held import held_arrays
from normfree.data.resident import Arrays
from normfree.data.samples import Samples


def arrays_of(data: DataConfig) -> tuple[Arrays, dict[str, int]]:
    """The three splits in memory, and how many unreadable images of each part were left out.

    Raises:
        UserError: the images are missing, unreadable or not what the configuration says.
    """
    if encoded_images(data):
        return held_arrays(parts_of(data), data)
    arrays: Arrays = _reader(data).arrays(data)
    return arrays, {}


def encoded_images(data: DataConfig) -> bool:
    """Whether each image is read by itself; else there are arrays of all of them alone."""
    return hasattr(_reader(data), "parts")


def parts_of(data: DataConfig) -> dict[str, Samples]:
    """The training images and, where they have files of their own, the validation and test images.

    Raises:
        UserError: as :func:`arrays_of`; the images are not encoded files.
    """
    if not encoded_images(data):
        raise UserError(
            f"data.loader={data.loader}: torchvision's files of {data.name} are held in memory; leave it out"
        )
    parts: dict[str, Samples] = _reader(data).parts(data)
    return parts


def _reader(data: DataConfig) -> ModuleType:
    return import_module(f"{__name__}.{named(data.name).reader(data)}")
