"""Images of .beton files, read and decoded by FFCV, augmented by the same code and random numbers as elsewhere."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from normfree.config import UserError
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.config.sources import named
from normfree.config.sources.beton import require_ffcv
from normfree.config.sources.beton_file import Beton, read_beton
from normfree.data.augment import epoch_draws, finish
from normfree.data.boxes import central_part, random_part
from normfree.data.crops import shift_and_flip
from normfree.data.order import epoch_order, mixing_stream
from normfree.data.source import ALONE, Batch, Share
from normfree.data.split import check_labels, shuffled_order
from normfree.data.transforms import MARGIN, statistics


def import_ffcv() -> None:
    """Takes seconds, and is done before anything is read.

    Raises:
        UserError: FFCV is not installed, or what it needs of the system is gone.
    """
    require_ffcv()
    try:
        import normfree.data.ffcv_loader  # noqa: F401
    except ImportError as error:
        raise UserError(f"data.loader=ffcv: FFCV cannot be imported ({error}); run make ffcv again") from error


class FfcvSource:
    """Implements :class:`normfree.data.source.Source` with ``data.workers`` threads of FFCV.

    Args:
        files: of ``train`` and, unless the test images are cut from it, of ``test``.
        device: where images are augmented and normalised.
    """

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
    ) -> None:
        import_ffcv()
        found = {split: read_beton(path) for split, path in files.items()}
        train, test = found["train"], found.get("test")
        for which, file in (("training", train), ("test", test)):
            if file is not None:
                try:
                    check_labels(torch.from_numpy(file.labels.astype(np.int64)), data, which)
                except UserError as error:
                    raise UserError(f"{file.path}: {error}") from error
        order = shuffled_order(len(train.labels)).numpy()
        first = 0 if test is not None else data.test_samples
        last = first + data.validation_samples
        # In the order in which a set in memory holds them, so that both give the same batches.
        self._parts: dict[str, tuple[Beton, NDArray[np.int64]]] = {
            "train": (train, order[last:]),
            "validation": (train, order[first:last]),
            "test": (train, order[:first]) if test is None else (test, np.arange(len(test.labels))),
        }
        self._data, self._augment, self._seed = data, augment, seed
        self._micro_batch, self._per_epoch, self._share = micro_batch, per_epoch, share
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

    def skipped(self) -> dict[str, int]:
        return {}

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        for epoch, numbers in groupby(self._share.numbers(start, stop), lambda number: number // self._per_epoch):
            yield from self._epoch(epoch, list(numbers))

    def _epoch(self, epoch: int, numbers: list[int]) -> Iterator[Batch]:
        from normfree.data.ffcv_loader import Boxes

        file, index = self._parts["train"]
        draws = epoch_draws(len(index), self._augment, self._seed, epoch)
        heights, widths = file.images["height"][index], file.images["width"][index]
        if self._augment.random_resized_crop:
            part = random_part(heights, widths, draws["crop"].numpy())
        else:
            part = central_part(heights, widths, 1.0, square=not self._squashed)
        own = np.zeros((5, len(file.images)), np.int64)
        # FFCV wants a box for every image of the file; those of other splits are not read.
        own[:4, index] = part
        if self._augment.flip:
            own[4, index] = draws["shift"][:, 2].numpy() < 0.5
        order = epoch_order(len(index), self._seed, epoch)
        batches = order[: self._per_epoch * self._micro_batch].view(self._per_epoch, self._micro_batch)
        places = batches[torch.tensor(numbers) % self._per_epoch]
        loader = self._loader("train", "training", self._data.train_size, self._micro_batch)
        found = loader.batches(
            index[places.flatten().numpy()], Boxes(own[0], own[1], own[2], own[3], own[4].astype(bool))
        )
        for number, at, (pixels, labels) in zip(numbers, places, found, strict=True):
            own_draws = {name: values[at].to(self._device) for name, values in draws.items()}
            images = self._uint8(pixels)
            if self._augment.shift:
                still = torch.zeros(len(images), dtype=torch.bool, device=self._device)
                images = shift_and_flip(images, self._augment.shift, own_draws["shift"][:, :2], still)
            yield finish(
                images, torch.from_numpy(labels), self._data.classes, self._augment, own_draws,
                mixing_stream(self._seed, number), self._normalise,
            )  # fmt: skip

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        from normfree.data.ffcv_loader import Boxes

        file, index = self._parts[split]
        index = index[self._share.rank :: self._share.world_size]
        if not len(index):
            return
        heights, widths = file.images["height"], file.images["width"]
        size = self._data.test_size
        share = size / (size + MARGIN) if self._squashed else 1.0
        part = central_part(heights, widths, share, square=not self._squashed or self._data.keep_aspect)
        boxes = Boxes(*part, np.zeros(len(heights), bool))
        loader = self._loader(split, "evaluation", size, min(batch_size, len(index)))
        for pixels, labels in loader.batches(index, boxes):
            yield Batch(self._normalise(self._uint8(pixels)), torch.from_numpy(labels))

    @property
    def _squashed(self) -> bool:
        """Whether images are photographs of any aspect, or come as squares of the size of the test."""
        images = self._parts["train"][0].images
        small = bool((images["height"] == self._data.test_size).all() and (images["width"] == images["height"]).all())
        return named(self._data.name).photographs and not small

    def _loader(self, split: str, use: str, size: int, batch_size: int):  # type: ignore[no-untyped-def]
        """FFCV compiles each anew, which takes seconds: kept for the next epoch."""
        from normfree.data.ffcv_loader import BetonLoader

        key = (split, use, size, batch_size)
        if key not in self._loaders:
            self._loaders[key] = BetonLoader(self._parts[split][0], size, batch_size, self._data.workers)
        return self._loaders[key]

    def _uint8(self, pixels: NDArray[np.uint8]) -> Tensor:
        """``[N, H, W, 3]`` of a buffer that FFCV writes again -> ``[N, C, H, W]`` of our own."""
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)[:, : self._data.channels]
        return images.to(self._device).clone(memory_format=torch.contiguous_format)

    def pixels(self, images: Tensor) -> Tensor:
        return ((images * self._std + self._mean) / 255).cpu()

    def _normalise(self, images: Tensor) -> Tensor:
        return images.float().sub_(self._mean).div_(self._std)
