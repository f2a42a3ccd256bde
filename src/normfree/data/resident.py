"""A small data set held in memory as uint8 and augmented whole batches at a time."""

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.mixing import mix
from normfree.data.order import augmentation_stream, epoch_order, mixing_stream
from normfree.data.source import Batch

Arrays = Mapping[str, tuple[Tensor, Tensor]]
"""split -> (images uint8 ``[n, C, H, W]``, labels int64 ``[n]``)"""


class ResidentSource:
    """Implements :class:`normfree.data.source.Source` over arrays in memory.

    Images are scaled to zero mean and unit variance with the training split's statistics.

    Args:
        arrays: all splits.
        micro_batch: images of one training batch.
        per_epoch: training batches in one pass; what is left over is dropped.
    """

    def __init__(
        self, arrays: Arrays, classes: int, augment: AugmentConfig, seed: int, micro_batch: int, per_epoch: int
    ) -> None:
        self._arrays = arrays
        self._classes = classes
        self._augment = augment
        self._seed = seed
        self._micro_batch = micro_batch
        self._per_epoch = per_epoch
        images = arrays["train"][0].float()
        self._mean = images.mean((0, 2, 3), keepdim=True)
        self._std = images.std((0, 2, 3), correction=0, keepdim=True)

    def size(self, split: str) -> int:
        return len(self._arrays[split][1])

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        images, labels = self._arrays["train"]
        normalised = self._normalise(images)
        epoch = -1
        for number in range(start, stop):
            if number // self._per_epoch != epoch:
                epoch = number // self._per_epoch
                order = epoch_order(len(labels), self._seed, epoch)
                draws = torch.rand(len(labels), 3, generator=augmentation_stream(self._seed, epoch))
            first = number % self._per_epoch * self._micro_batch
            index = order[first : first + self._micro_batch]
            augmented = self._augmented(normalised, index, draws[index])
            yield mix(augmented, labels[index], self._classes, self._augment, mixing_stream(self._seed, number))

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        images, labels = self._arrays[split]
        for first in range(0, len(labels), batch_size):
            part = slice(first, first + batch_size)
            yield Batch(self._normalise(images[part]), labels[part])

    def _normalise(self, images: Tensor) -> Tensor:
        return (images.float() - self._mean) / self._std

    def _augmented(self, images: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        """Shift by up to ``augment.shift`` pixels and flip, each image by its own ``draws`` ``[n, 3]`` in [0, 1)."""
        batch = images[index]
        if self._augment.flip:
            batch = torch.where((draws[:, 2] < 0.5)[:, None, None, None], batch.flip(-1), batch)
        return random_shift(batch, self._augment.shift, draws[:, :2], fill=images.min())


def random_shift(images: Tensor, pixels: int, draws: Tensor, fill: Tensor) -> Tensor:
    """Translate each image by whole pixels in [-pixels, pixels] given by ``draws`` ``[N, 2]`` in [0, 1)."""
    if pixels == 0:
        return images
    count, channels, height, width = images.shape
    padded = F.pad(images - fill, [pixels] * 4) + fill
    offset = (draws * (2 * pixels + 1)).long()
    rows = offset[:, 0, None, None] + torch.arange(height)[None, :, None]
    columns = offset[:, 1, None, None] + torch.arange(width)[None, None, :]
    sample = torch.arange(count)[:, None, None]
    if channels == 1:
        return padded[:, 0][sample, rows, columns][:, None]
    return padded.permute(0, 2, 3, 1)[sample, rows, columns].permute(0, 3, 1, 2)
