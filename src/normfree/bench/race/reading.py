"""Images as a plain PyTorch loop reads them: a dataset of torchvision, its transforms, torch's DataLoader."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from normfree.bench.race.work import EVALUATION_BATCH, MEAN, PADDING, STD, Work

Batches = DataLoader[tuple[Tensor, Tensor]]


class ParquetImages(Dataset[Any]):
    """The rows of one parquet file, encoded in memory and decoded when they are asked for."""

    def __init__(self, path: Path, transform: Any = None) -> None:
        table = pq.read_table(path)
        self.contents: list[bytes] = table.column("img").combine_chunks().field("bytes").to_pylist()
        self.labels: list[int] = table.column("label").to_pylist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> Any:
        image = Image.open(io.BytesIO(self.contents[place])).convert("RGB")
        return self._transform(image), self.labels[place]


def parquet_of(work: Work, split: str) -> Path:
    """The file of ``train`` or ``validation``."""
    return Path(work.root) / f"{split}-00000-of-00001.parquet"


def training(work: Work) -> Batches:
    """Shuffled, augmented and normalised; what is left over of a pass is dropped."""
    bicubic = v2.InterpolationMode.BICUBIC
    sides = [work.size, work.size]
    crop = [v2.RandomResizedCrop(sides, interpolation=bicubic)]
    if work.crop == "padded":
        crop = [v2.Resize(sides, interpolation=bicubic), v2.RandomCrop(sides, padding=PADDING)]
    dataset = _dataset(work, "train", [*crop, v2.RandomHorizontalFlip()])
    return DataLoader(
        dataset, work.batch, shuffle=True, drop_last=True, num_workers=work.workers,
        persistent_workers=work.workers > 0, pin_memory=work.device == "cuda",
    )  # fmt: skip


def testing(work: Work) -> Batches:
    """All test images, in order and whole: a run tests less of one only where it shrinks it."""
    resize = v2.Resize([work.size, work.size], interpolation=v2.InterpolationMode.BICUBIC)
    workers = work.workers
    return DataLoader(
        _dataset(work, "validation", [resize]), EVALUATION_BATCH, num_workers=workers, persistent_workers=workers > 0
    )


def steps_of(loader: Iterable[Any], steps: int) -> Iterator[Any]:
    """So many batches, pass after pass."""
    while True:
        for batch in loader:
            if not steps:
                return
            steps -= 1
            yield batch
        if not steps:
            return


def _dataset(work: Work, split: str, transforms: list[Any]) -> Dataset[Any]:
    normalised = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(MEAN), list(STD))]
    transform = v2.Compose([*transforms, *normalised])
    if work.data == "parquet":
        return ParquetImages(parquet_of(work, split), transform)
    folder: Dataset[Any] = ImageFolder(str(Path(work.root) / split), transform)
    return folder
