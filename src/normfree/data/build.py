"""From a configuration to a source of images."""

import torch

from normfree.config import Resolved, UserError
from normfree.config.images import PARQUET, torchvision_root
from normfree.config.schema import DataConfig
from normfree.data.folder import FolderSource
from normfree.data.mnist5k import mnist5k
from normfree.data.parquet import parquet_arrays
from normfree.data.resident import Arrays, ResidentSource
from normfree.data.source import SPLITS, Source
from normfree.data.torchvision_cifar import torchvision_arrays

SOURCES = ("mnist5k", *PARQUET, "imagenet")


def build_source(resolved: Resolved, micro_batch: int, device: torch.device | None = None) -> Source:
    """The source that ``data=`` names, giving training batches of ``micro_batch`` images.

    Args:
        device: where a set that is held in memory lies, and is augmented.

    Raises:
        UserError: if the data set is missing, unreadable or not what the configuration says.
    """
    config = resolved.config
    data = config.data
    per_epoch = resolved.steps_per_epoch * (config.batch // micro_batch)
    source: Source
    if data.name == "imagenet":
        source = FolderSource(data, config.augment, config.seed, micro_batch, per_epoch)
    else:
        source = ResidentSource(
            _arrays(data),
            data.classes,
            config.augment,
            config.seed,
            micro_batch,
            per_epoch,
            mean=data.mean,
            std=data.std,
            device=device,
        )
    for split in SPLITS:
        expected, found = getattr(data, f"{split}_samples"), source.size(split)
        if found != expected:
            raise UserError(
                f"data.{split}_samples={expected}: {data.name} has {found} images for {split}; "
                f"set data.{split}_samples={found}"
            )
    return source


def _arrays(data: DataConfig) -> Arrays:
    if data.name == "mnist5k":
        return mnist5k(data.train_size)
    if data.name not in PARQUET:
        raise UserError(f"data.name={data.name}: no such source; choose one of {', '.join(SOURCES)}")
    root = torchvision_root(data)
    return parquet_arrays(data) if root is None else torchvision_arrays(data, root)
