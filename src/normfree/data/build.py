"""From a configuration to a source of images."""

from normfree.config import Resolved, UserError
from normfree.data.folder import FolderSource
from normfree.data.mnist5k import mnist5k
from normfree.data.resident import ResidentSource
from normfree.data.source import SPLITS, Source


def build_source(resolved: Resolved, micro_batch: int) -> Source:
    """The source that ``data=`` names, giving training batches of ``micro_batch`` images.

    Raises:
        UserError: if the data set is missing, unreadable or not what the configuration says.
    """
    config = resolved.config
    per_epoch = resolved.steps_per_epoch * (config.batch // micro_batch)
    source: Source
    if config.data.name == "mnist5k":
        arrays = mnist5k(config.data.train_size)
        source = ResidentSource(arrays, config.data.classes, config.augment, config.seed, micro_batch, per_epoch)
    elif config.data.name == "imagenet":
        source = FolderSource(config.data, config.augment, config.seed, micro_batch, per_epoch)
    else:
        raise UserError(f"data.name={config.data.name}: no such source; choose mnist5k or imagenet")
    for split in SPLITS:
        expected, found = getattr(config.data, f"{split}_samples"), source.size(split)
        if found != expected:
            raise UserError(
                f"data.{split}_samples={expected}: {config.data.name} has {found} images for {split}; "
                f"set data.{split}_samples={found}"
            )
    return source
