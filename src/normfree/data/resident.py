"""A small data set held in memory as uint8, on the device that trains, and augmented whole batches at a time."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.mixing import mix
from normfree.data.order import augmentation_stream, epoch_order, erasing_stream, mixing_stream
from normfree.data.source import Batch

Arrays = Mapping[str, tuple[Tensor, Tensor]]
"""split -> (images uint8 ``[n, C, H, W]``, labels int64 ``[n]``)"""

ERASED_AREA, ERASED_ASPECT = (0.02, 0.33), (0.3, 3.3)


class ResidentSource:
    """Implements :class:`normfree.data.source.Source` over arrays in memory.

    Random numbers are drawn on the processor, so that they are the same on every device.

    Args:
        arrays: all splits; moved to ``device`` once.
        micro_batch: images of one training batch.
        per_epoch: training batches in one pass; what is left over is dropped.
        mean, std: of each channel in [0, 1]; the training split's own where they are not given.
        skipped: unreadable images that ``arrays`` are without.
    """

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
        self._micro_batch = micro_batch
        self._per_epoch = per_epoch
        self._skipped = dict(skipped or {})

    def skipped(self) -> dict[str, int]:
        return self._skipped

    def size(self, split: str) -> int:
        return len(self._arrays[split][1])

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        images, labels = self._arrays["train"]
        epoch = -1
        for number in range(start, stop):
            if number // self._per_epoch != epoch:
                epoch = number // self._per_epoch
                order = epoch_order(len(labels), self._seed, epoch)
                draws = torch.rand(len(labels), 3, generator=augmentation_stream(self._seed, epoch))
                if self._augment.erasing:
                    erasing = torch.rand(len(labels), 5, generator=erasing_stream(self._seed, epoch))
            first = number % self._per_epoch * self._micro_batch
            index = order[first : first + self._micro_batch]
            batch = self._augmented(images[index.to(self._device)], draws[index].to(self._device))
            if self._augment.erasing:
                erase(batch, self._augment.erasing, erasing[index].to(self._device))
            yield mix(batch, labels[index], self._classes, self._augment, mixing_stream(self._seed, number))

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        images, labels = self._arrays[split]
        for first in range(0, len(labels), batch_size):
            part = slice(first, first + batch_size)
            yield Batch(self._normalise(images[part]), labels[part])

    def _normalise(self, images: Tensor) -> Tensor:
        return images.float().sub_(self._mean).div_(self._std)

    def _augmented(self, images: Tensor, draws: Tensor) -> Tensor:
        """Shift, flip and normalise, each image by its own ``draws`` ``[n, 3]`` in [0, 1)."""
        pixels, flip = self._augment.shift, self._augment.flip
        if not pixels and not flip:
            return self._normalise(images)
        flipped = draws[:, 2] < 0.5 if flip else torch.zeros_like(draws[:, 2], dtype=torch.bool)
        batch = self._normalise(shift_and_flip(images, pixels, draws[:, :2], flipped))
        if pixels:
            # Rounds as padding the normalised image with black did: results must not change in their last bits.
            black = -self._mean / self._std
            batch.sub_(black).add_(black)
        return batch


def shift_and_flip(images: Tensor, pixels: int, draws: Tensor, flipped: Tensor) -> Tensor:
    """Mirror where ``flipped`` ``[N]``, then translate each image by whole pixels, in one gather.

    Args:
        images: uint8 ``[N, C, H, W]``.
        pixels: the largest translation; what comes in at the border is 0.
        draws: ``[N, 2]`` in [0, 1): down to up, right to left.
    """
    count, channels, height, width = images.shape
    offset = (draws * (2 * pixels + 1)).long() - pixels
    rows = offset[:, :1] + torch.arange(height, device=images.device)
    columns = offset[:, 1:] + torch.arange(width, device=images.device)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = torch.where(flipped[:, None], width - 1 - columns, columns)
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    flat = places.view(count, 1, -1).expand(-1, channels, -1)
    return images.reshape(count, channels, -1).gather(2, flat).view_as(images).mul_(inside[:, None])


def erase(images: Tensor, share: float, draws: Tensor) -> None:
    """Random erasing (Zhong et al. 2020), in place: a rectangle of a share of the images becomes the mean, 0.

    Args:
        images: normalised ``[N, C, H, W]``.
        share: of the images that lose a rectangle.
        draws: ``[N, 5]`` in [0, 1): whether, area, aspect, top, left.
    """
    height, width = images.shape[2:]
    area = ERASED_AREA[0] + draws[:, 1] * (ERASED_AREA[1] - ERASED_AREA[0])
    low, high = (torch.tensor(bound).log() for bound in ERASED_ASPECT)
    aspect = (low + draws[:, 2] * (high - low)).exp()
    chosen = draws[:, 0] < share
    inside = chosen[:, None, None]
    for axis, side, extent, draw in (
        (1, height, (area * aspect).sqrt(), draws[:, 3]),
        (2, width, (area / aspect).sqrt(), draws[:, 4]),
    ):
        length = (extent * side).round().clamp(1, side)
        start = (draw * (side - length + 1)).floor()
        place = torch.arange(side, device=images.device)
        within = (place >= start[:, None]) & (place < (start + length)[:, None])
        inside = inside & within.unsqueeze(3 - axis)
    images.masked_fill_(inside[:, None], 0.0)
