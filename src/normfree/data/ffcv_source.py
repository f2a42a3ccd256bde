"""Images of .beton files. FFCV reads and decodes those that are trained on; augmentation is the same code as elsewhere.

Images are tested as everywhere, by pillow: FFCV decodes JPEG with a faster transform and resizes by areas, which other
loaders do not.
"""

import mmap
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from normfree.config import UserError
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.config.sources.beton import require_ffcv
from normfree.config.sources.beton_file import RAW, Beton, read_beton
from normfree.data.augment import epoch_draws, finish
from normfree.data.boxes import central_part, random_part
from normfree.data.crops import shift_and_flip
from normfree.data.cut import Cut
from normfree.data.decode import open_image
from normfree.data.order import epoch_order
from normfree.data.source import ALONE, Batch, Share
from normfree.data.split import check_labels, cut_points, shuffled_order
from normfree.data.transforms import statistics, tested_image
from normfree.host.installing import install, made

_BATCHES_AHEAD = 2
_LUMA = (19595, 38470, 7471)
"""Pillow's, in parts of 65,536."""


def import_ffcv() -> None:
    """Takes seconds, and is done before anything is read.

    Raises:
        UserError: FFCV is not installed, or what it needs of the system is gone.
    """
    require_ffcv()
    try:
        import normfree.data.ffcv_loader  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"data.loader=ffcv: FFCV cannot be imported ({error}); {made('ffcv again', install('normfree[ffcv]'))}"
        ) from error


class FfcvSource:
    """Implements :class:`normfree.data.source.Source` with ``data.workers`` threads of FFCV.

    Args:
        files: of ``train`` and, unless these are cut from it, of ``validation`` and ``test``.
        device: where images are augmented and normalised.
    """

    digest = ""
    read: Mapping[str, Any] = {}

    def __init__(
        self,
        files: dict[str, Path],
        data: DataConfig,
        augment: AugmentConfig,
        seed: int,
        micro_batch: int,
        per_epoch: int,
        device: torch.device | None = None,
        share: Share = ALONE,
        per_step: int = 1,
    ) -> None:
        import_ffcv()
        found = {split: read_beton(path) for split, path in files.items()}
        train = found["train"]
        for split, file in found.items():
            try:
                which = "training" if split == "train" else split
                check_labels(torch.from_numpy(file.labels.astype(np.int64)), data, which)
            except UserError as error:
                raise UserError(f"{file.path}: {error}") from error
        order = shuffled_order(len(train.labels)).numpy()
        first, last = cut_points(data, found)
        # In the order in which a set in memory holds them, so that both give the same batches.
        self._parts: dict[str, tuple[Beton, NDArray[np.int64]]] = {
            "train": (train, order[last:]),
            "validation": (train, order[first:last]),
            "test": (train, order[:first]),
        }
        self._parts |= {split: (file, np.arange(len(file.labels))) for split, file in found.items() if split != "train"}
        self._data, self._augment, self._seed = data, augment, seed
        self._cut, self._share = Cut(micro_batch, per_step, per_epoch, augment, seed), share
        self._device = device or torch.device("cpu")
        mean, std = statistics(data)
        if len(mean) != data.channels:
            mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
        self._mean, self._std = (
            torch.tensor(list(each), device=self._device).view(1, -1, 1, 1) * 255 for each in (mean, std)
        )
        self._loaders: dict[tuple[object, ...], object] = {}

    def size(self, split: str) -> int:
        return len(self._parts[split][1])

    def share_size(self, split: str) -> int:
        return len(self._share.places(self.size(split)))

    def places(self, split: str) -> list[int]:
        return list(self._share.places(self.size(split)))

    def skipped(self) -> dict[str, int]:
        return {}

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        for epoch, numbers in groupby(self._share.numbers(start, stop), lambda number: number // self._cut.per_epoch):
            yield from self._epoch(epoch, list(numbers))

    def _epoch(self, epoch: int, numbers: list[int]) -> Iterator[Batch]:
        from normfree.data.ffcv_loader import Boxes

        file, index = self._parts["train"]
        draws = epoch_draws(len(index), self._augment, self._seed, epoch)
        heights, widths = file.images["height"][index], file.images["width"][index]
        if self._augment.random_resized_crop:
            part = random_part(heights, widths, draws["crop"].numpy())
        else:
            part = central_part(heights, widths, square=self._data.keep_aspect)
        own = np.zeros((5, len(file.images)), np.int64)
        # FFCV wants a box for every image of the file; those of other splits are not read.
        own[:4, index] = part
        if self._augment.flip:
            own[4, index] = draws["shift"][:, 2].numpy() < 0.5
        order = epoch_order(len(index), self._seed, epoch)
        readings = [self._cut.reading(number) for number in numbers]
        places = [order[reading.places] for reading in readings]
        # FFCV reads batches of one size: partners that no micro batch lacks are the last images again.
        most = self._cut.most
        read = torch.cat([torch.cat([at, at[-1:].expand(most - len(at))]) for at in places])
        loader = self._loader("train", "training", self._data.train_size, most)
        found = loader.batches(index[read.numpy()], Boxes(own[0], own[1], own[2], own[3], own[4].astype(bool)))
        for reading, at, (pixels, labels) in zip(readings, places, found, strict=True):
            own_draws = {name: values[at].to(self._device) for name, values in draws.items()}
            images = self._uint8(pixels[: len(at)])
            if self._augment.shift:
                still = torch.zeros(len(images), dtype=torch.bool, device=self._device)
                images = shift_and_flip(images, self._augment.shift, own_draws["shift"][:, :2], still)
            yield finish(
                images, torch.from_numpy(labels[: len(at)]), self._data.classes, self._augment, own_draws,
                reading.mixing, reading.members, reading.own, self._normalise,
            )  # fmt: skip

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        file, index = self._parts[split]
        index = index[self._share.rank :: self._share.world_size]
        parts = [index[first : first + batch_size].tolist() for first in range(0, len(index), batch_size)]
        with file.path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            pool = ThreadPoolExecutor(max(1, self._data.workers))
            try:
                coming = deque[tuple[list[int], list[Future[Tensor]]]]()
                while parts or coming:
                    while parts and len(coming) < _BATCHES_AHEAD:
                        places = parts.pop(0)
                        coming.append((places, [pool.submit(self._tested, file, content, at) for at in places]))
                    places, images = coming.popleft()
                    pixels = torch.stack([image.result() for image in images]).to(self._device)
                    yield Batch(self._normalise(pixels), torch.from_numpy(file.labels[places].astype(np.int64)))
            finally:
                pool.shutdown(cancel_futures=True)

    def _tested(self, file: Beton, content: mmap.mmap, at: int) -> Tensor:
        image, size = file.images[at], int(file.sizes[at])
        stored = content[int(image["data_ptr"]) : int(image["data_ptr"]) + size]
        if image["mode"] == RAW:
            mode = "RGB" if self._data.channels == 3 else "L"
            opened = Image.frombytes("RGB", (int(image["width"]), int(image["height"])), stored).convert(mode)
        else:
            try:
                opened = open_image(stored, self._data.channels)
            except ValueError as error:
                raise UserError(f"{file.path}, image {at}: damaged ({error}); convert the data set again") from error
        return tested_image(opened, self._data)

    def _loader(self, split: str, use: str, size: int, batch_size: int):  # type: ignore[no-untyped-def]
        """FFCV compiles each anew, which takes seconds: kept for the next epoch."""
        from normfree.data.ffcv_loader import BetonLoader

        key = (split, use, size, batch_size)
        if key not in self._loaders:
            self._loaders[key] = BetonLoader(self._parts[split][0], size, batch_size, self._data.workers)
        return self._loaders[key]

    def _uint8(self, pixels: NDArray[np.uint8]) -> Tensor:
        """``[N, H, W, 3]`` of a buffer that FFCV writes again -> ``[N, C, H, W]`` of our own."""
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        if self._data.channels == 1:
            weights = torch.tensor(_LUMA, dtype=torch.int32).view(1, 3, 1, 1)
            images = ((images.int() * weights).sum(1, keepdim=True, dtype=torch.int32) + 2**15 >> 16).to(torch.uint8)
        return images.to(self._device).clone(memory_format=torch.contiguous_format)

    def statistics(self) -> tuple[list[float], list[float]]:
        mean, std = ((each.double() / 255).flatten().tolist() for each in (self._mean, self._std))
        return mean, std

    def pixels(self, images: Tensor) -> Tensor:
        return ((images * self._std + self._mean) / 255).cpu()

    def _normalise(self, images: Tensor) -> Tensor:
        return images.float().sub_(self._mean).div_(self._std)
