"""CIFAR-10 and CIFAR-100 as torchvision downloads and keeps them."""

from pathlib import Path
from typing import Any

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.cifar import CIFAR
from normfree.data.cache import Images, Pixels, cache_folder, cached, fingerprint
from normfree.data.resident import Arrays
from normfree.data.split import cut, shuffled_order

_SETS = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def arrays(data: DataConfig) -> Arrays:
    """The three splits; with ``data.download`` fetched first where they are missing.

    Raises:
        UserError: the files are not torchvision's, or cannot be fetched.
    """
    root = CIFAR[data.name].torchvision_root(data)
    assert root is not None
    if data.train_size != 32:
        raise UserError(f"data.train_size={data.train_size}: torchvision's {data.name} has 32 px; leave it out")
    try:
        # Comparing checksums reads the files anyway.
        train, test = (_SETS[data.name](str(root), train=part, download=data.download) for part in (True, False))
    except (RuntimeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"data.root={data.root}: torchvision cannot use {root / CIFAR[data.name].folder} ({reason}); "
            "remove that folder and add data.download=true, or give parquet files"
        ) from error
    return cut(_placed(train, data, root, "train"), _placed(test, data, root, "test"), data)


def _placed(found: Any, data: DataConfig, root: Path, part: str) -> Images:
    """In the fixed random order; the pixels from the cache, so that the processes of a sweep share them."""
    files = sorted(path for path in (root / CIFAR[data.name].folder).iterdir() if path.is_file())
    order = shuffled_order(len(found.targets))

    def pixels() -> Pixels:
        images = torch.from_numpy(found.data).permute(0, 3, 1, 2)[order].contiguous()
        return Pixels(images, torch.zeros(len(order), dtype=torch.bool))

    images, skipped = cached(cache_folder(data.cache), f"{data.name}-{fingerprint(files, part=part)}", pixels)
    return Images(images, torch.tensor(found.targets, dtype=torch.int64)[order], skipped)
