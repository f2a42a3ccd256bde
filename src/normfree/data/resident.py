"""A small data set held in memory as uint8, on the device that trains, and augmented whole batches at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.augment import epoch_draws, finish, move
from normfree.data.cut import Cut
from normfree.data.order import epoch_order
from normfree.data.source import ALONE, Batch, Share

Arrays = Mapping[str, tuple[Tensor, Tensor]]
"""split -> (images uint8 ``[n, C, H, W]``, labels int64 ``[n]``)"""


class ResidentSource:
    """Implements :class:`normfree.data.source.Source` over arrays in memory.

    Random numbers are drawn on the processor, so that they are the same on every device. A GPU is not waited for.

    Args:
        arrays: all splits; moved to ``device`` once.
        micro_batch: images of one training batch.
        per_epoch: training batches in one pass, of all ranks; what is left over is dropped.
        mean, std: of each channel in [0, 1]; the training split's own where they are not given.
        skipped: unreadable images that ``arrays`` are without.
        per_step: training batches of an optimizer step, of all ranks.
    """

    digest = ""
    read: Mapping[str, Any] = {}

    def __init__(
        self,
        arrays: Arrays,
        classes: int,
        augment: AugmentConfig,
        seed: int,
        micro_batch: int,
        per_epoch: int,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        device: torch.device | None = None,
        skipped: Mapping[str, int] | None = None,
        share: Share = ALONE,
        per_step: int = 1,
    ) -> None:
        self._device = device or torch.device("cpu")
        if mean is None or std is None:
            images = arrays["train"][0].float()
            self._mean = images.mean((0, 2, 3), keepdim=True).to(self._device)
            self._std = images.std((0, 2, 3), correction=0, keepdim=True).to(self._device)
        else:
            self._mean, self._std = (
                torch.tensor(list(given), device=self._device).view(1, -1, 1, 1) * 255 for given in (mean, std)
            )
        self._arrays = {split: (images.to(self._device), labels) for split, (images, labels) in arrays.items()}
        self._classes = classes
        self._augment = augment
        self._seed = seed
        self._cut = Cut(micro_batch, per_step, per_epoch, augment, seed)
        self._skipped = dict(skipped or {})
        self._share = share

    def skipped(self) -> dict[str, int]:
        return self._skipped

    def size(self, split: str) -> int:
        return len(self._arrays[split][1])

    def share_size(self, split: str) -> int:
        return len(self._share.places(self.size(split)))

    def places(self, split: str) -> list[int]:
        return list(self._share.places(self.size(split)))

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        images, labels = self._arrays["train"]
        epoch = -1
        for number in self._share.numbers(start, stop):
            reading = self._cut.reading(number)
            if reading.epoch != epoch:
                epoch = reading.epoch
                order = epoch_order(len(labels), self._seed, epoch)
                draws = epoch_draws(len(labels), self._augment, self._seed, epoch)
            index = order[reading.places]
            own = {part: self._there(part, numbers[index]) for part, numbers in draws.items()}
            moved = move(images[index.to(self._device, non_blocking=True)], self._augment, own)
            yield finish(
                moved, labels[index], self._classes, self._augment, own,
                reading.mixing, reading.members, reading.own, self._normalise_padded,
            )  # fmt: skip

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        images, labels = self._arrays[split]
        world = self._share.world_size
        for first in range(self._share.rank, len(labels), batch_size * world):
            part = slice(first, first + batch_size * world, world)
            yield Batch(self._normalise(images[part]), labels[part])

    def statistics(self) -> tuple[list[float], list[float]]:
        mean, std = ((each.double() / 255).flatten().tolist() for each in (self._mean, self._std))
        return mean, std

    def pixels(self, images: Tensor) -> Tensor:
        return ((images * self._std + self._mean) / 255).cpu()

    def _there(self, part: str, numbers: Tensor) -> Tensor:
        """On the device; RandAugment groups images by what is drawn for them before it touches one."""
        return numbers if part == "randaugment" else numbers.to(self._device, non_blocking=True)

    def _normalise(self, images: Tensor) -> Tensor:
        return images.float().sub_(self._mean).div_(self._std)

    def _normalise_padded(self, images: Tensor) -> Tensor:
        batch = self._normalise(images)
        if self._augment.shift:
            # Rounds as padding the normalised image with black did: results must not change in their last bits.
            black = -self._mean / self._std
            batch.sub_(black).add_(black)
        return batch
