"""CIFAR-10 and CIFAR-100 as torchvision downloads and keeps them."""

from pathlib import Path

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.cifar import CIFAR
from normfree.data.cache import Images, cache_folder, cached, fingerprint
from normfree.data.resident import Arrays
from normfree.data.split import cut, shuffled_places

_SETS = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def torchvision_arrays(data: DataConfig) -> Arrays:
    """The three splits; with ``data.download`` fetched first where they are missing.

    Raises:
        UserError: the files are not torchvision's, or cannot be fetched.
    """
    root = CIFAR[data.name].torchvision_root(data)
    assert root is not None
    if data.train_size != 32:
        raise UserError(f"data.train_size={data.train_size}: torchvision's {data.name} has 32 px; leave it out")
    try:
        _SETS[data.name](str(root), download=data.download)  # compares checksums
    except (RuntimeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"data.root={data.root}: torchvision cannot use {root / CIFAR[data.name].folder} ({reason}); "
            "remove that folder and add data.download=true, or give parquet files"
        ) from error
    return cut(_read(data, root, train=True), _read(data, root, train=False), data)


def _read(data: DataConfig, root: Path, train: bool) -> Images:
    files = sorted(path for path in (root / CIFAR[data.name].folder).iterdir() if path.is_file())
    key = fingerprint(files, train=train)
    return cached(cache_folder(data.cache), f"{data.name}-{key}", lambda: _load(data, root, train))


def _load(data: DataConfig, root: Path, train: bool) -> Images:
    found = _SETS[data.name](str(root), train=train)
    places = torch.from_numpy(shuffled_places(len(found.targets)))
    pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2)
    images, labels = torch.empty(pixels.shape, dtype=torch.uint8), torch.empty(len(places), dtype=torch.int64)
    images[places], labels[places] = pixels, torch.tensor(found.targets)
    return Images(images, labels, torch.zeros(len(places), dtype=torch.bool))
