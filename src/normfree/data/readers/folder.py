"""Image files in class folders."""

from omegaconf import MISSING

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources import named
from normfree.config.sources.folder import FolderSource
from normfree.config.sources.words import TRAIN
from normfree.data.samples import FolderSamples, Samples


def parts(data: DataConfig) -> dict[str, Samples]:
    """Of each split that has a folder.

    Raises:
        UserError: the folders are missing, or have another number of classes.
    """
    source = named(data.name)
    assert isinstance(source, FolderSource)
    listing = source.listing(data)
    if data.classes not in (MISSING, len(listing.classes)):
        raise UserError(
            f"data.classes={data.classes}: {listing.parts[TRAIN].folder} has {len(listing.classes)} class folders; "
            f"set data.classes={len(listing.classes)}"
        )
    return {split: FolderSamples(part) for split, part in listing.parts.items()}
