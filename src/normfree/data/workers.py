"""Images read and augmented anew each time they are needed, whole batches at a time, in worker processes."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from normfree.config import UserError
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.data.augment import finish, sample_draws
from normfree.data.crops import shift_and_flip
from normfree.data.cut import Cut, Reading
from normfree.data.decode import open_image, unreadable
from normfree.data.order import SAMPLE, epoch_order, generator
from normfree.data.patience import Reader
from normfree.data.samples import Samples
from normfree.data.source import ALONE, Batch, Share
from normfree.data.split import check_labels, cut_points, shuffled_order
from normfree.data.transforms import normalise, statistics, tested_image, training_image
from normfree.data.worker_loader import Loaded, from_workers


class _Batches:
    """A split's images in batches. ``keys(number)`` gives what a batch reads, by places in ``index``.

    With ``augment``, training images: another image takes the place of an unreadable one that is left out, as the size
    of a batch is fixed. Without, they are images as they are tested.
    """

    def __init__(
        self,
        samples: Samples,
        index: Tensor,
        data: DataConfig,
        keys: Callable[[int], Reading],
        seed: int = 0,
        augment: AugmentConfig | None = None,
    ) -> None:
        self._samples, self._index, self._data, self._keys = samples, index, data, keys
        self._seed, self._augment = seed, augment
        self._counts = sample_draws(augment) if augment is not None else {}
        self.begins: Callable[[int | None], object] = lambda sample: None
        self.read: Callable[[int], bytes | Image.Image] = samples.read

    def where(self, sample: int) -> str:
        """How a sample is called."""
        return self._samples.where(sample)

    def __getitem__(self, number: int) -> Loaded:
        reading = self._keys(number)
        epoch, places = reading.epoch, reading.places
        images, labels, numbers, bad = [], [], [], []
        for place in places.tolist():
            for offset in range(len(self._index) if self._augment is not None else 1):
                at = (place + offset) % len(self._index)
                sample = int(self._index[at])
                self.begins(sample)
                try:
                    image, own = self._load(epoch, sample)
                except ValueError as error:
                    if self._data.on_error == "raise":
                        # Raised in a worker, it would arrive as a traceback.
                        return str(unreadable(self._samples.where(sample), error))
                    bad.append(at)
                    continue
                images.append(image)
                labels.append(int(self._samples.labels[sample]))
                numbers.append(own)
                break
        if not images:
            side = self._data.test_size
            return torch.empty(0, self._data.channels, side, side), torch.empty(0, dtype=torch.int64), bad
        batch, classes = torch.stack(images), torch.tensor(labels)
        if self._augment is None:
            return normalise(batch, self._data), classes, bad
        draws = self._named(torch.stack(numbers))
        if self._augment.shift:
            still = torch.zeros(len(batch), dtype=torch.bool)
            batch = shift_and_flip(batch, self._augment.shift, draws["shift"][:, :2], still)
        finished = finish(
            batch, classes, self._data.classes, self._augment, draws, reading.mixing, reading.members, reading.own,
            lambda pixels: normalise(pixels, self._data),
        )  # fmt: skip
        return finished.images, finished.labels, bad

    def _load(self, epoch: int, sample: int) -> tuple[Tensor, Tensor]:
        """uint8 image and random numbers ``[k]``; they depend on the seed, the epoch and the image alone."""
        image = open_image(self.read(sample), self._data.channels)
        if self._augment is None:
            return tested_image(image, self._data), torch.empty(0)
        # A stream of its own: torch's global one takes a third of a millisecond to seed.
        stream = generator(self._seed, SAMPLE, epoch * len(self._samples.labels) + sample)
        own = torch.rand(sum(self._counts.values()), generator=stream)
        return training_image(image, self._data, self._augment, self._named(own)), own

    def _named(self, numbers: Tensor) -> dict[str, Tensor]:
        """Random numbers ``[..., k]`` of each part."""
        return dict(zip(self._counts, torch.split(numbers, list(self._counts.values()), -1), strict=True))


class WorkerSource:
    """Implements :class:`normfree.data.source.Source` with ``data.workers`` processes.

    Args:
        test, validation: ``None`` where these images are cut from ``train``.
    """

    digest = ""
    read: Mapping[str, Any] = {}

    def __init__(
        self,
        train: Samples,
        test: Samples | None,
        data: DataConfig,
        augment: AugmentConfig,
        seed: int,
        micro_batch: int,
        per_epoch: int,
        share: Share = ALONE,
        validation: Samples | None = None,
        per_step: int = 1,
    ) -> None:
        check_labels(train.labels, data, "training")
        own = {name: part for name, part in (("validation", validation), ("test", test)) if part is not None}
        order = shuffled_order(len(train.labels))
        first, last = cut_points(data, own)
        # In the order in which a set in memory holds them, so that both give the same batches.
        self._parts: dict[str, tuple[Samples, Tensor]] = {
            "train": (train, order[last:]),
            "validation": (train, order[first:last]),
            "test": (train, order[:first]),
        }
        for name, part in own.items():
            check_labels(part.labels, data, name)
            self._parts[name] = part, torch.arange(len(part.labels))
        for samples, _ in self._parts.values():
            samples.prepare()
        self._data, self._augment, self._seed = data, augment, seed
        self._cut, self._share = Cut(micro_batch, per_step, per_epoch, augment, seed), share
        self._bad: dict[str, set[int]] = {split: set() for split in self._parts}

    def size(self, split: str) -> int:
        return len(self._parts[split][1]) - len(self._bad[split])

    def share_size(self, split: str) -> int:
        return len(set(self._share.places(len(self._parts[split][1]))) - self._bad[split])

    def places(self, split: str) -> list[int]:
        bad = self._bad[split]
        return [place for place in self._share.places(len(self._parts[split][1])) if place not in bad]

    def skipped(self) -> dict[str, int]:
        return {split: len(bad) for split, bad in self._bad.items()}

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        samples, index = self._parts["train"]
        latest: tuple[int, Tensor] = (-1, torch.empty(0))

        def keys(number: int) -> Reading:
            nonlocal latest
            reading = self._cut.reading(number)
            if latest[0] != reading.epoch:
                latest = reading.epoch, epoch_order(len(index), self._seed, reading.epoch)
            return reading._replace(places=latest[1][reading.places])

        batches = _Batches(samples, index, self._data, keys, self._seed, self._augment)
        shape = (self._cut.micro_batch, self._data.channels, self._data.train_size, self._data.train_size)
        yield from self._load(batches, "train", self._share.numbers(start, stop), shape)

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        samples, index = self._parts[split]
        places = torch.arange(len(index))[self._share.rank :: self._share.world_size]

        def keys(number: int) -> Reading:
            own = places[number * batch_size : (number + 1) * batch_size]
            return Reading(0, own, own, len(own), None)

        batches = _Batches(samples, index, self._data, keys)
        shape = (batch_size, self._data.channels, self._data.test_size, self._data.test_size)
        for batch in self._load(batches, split, range(-(-len(places) // batch_size)), shape):
            if len(batch.images):
                yield batch

    def statistics(self) -> tuple[list[float], list[float]]:
        mean, std = (list(each) for each in statistics(self._data))
        return mean, std

    def pixels(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(list(given)).view(1, -1, 1, 1) for given in statistics(self._data))
        return images.cpu() * std + mean

    def _load(self, batches: _Batches, split: str, numbers: range, shape: Sequence[int]) -> Iterator[Batch]:
        workers = min(self._data.workers, os.cpu_count() or 1, max(1, len(numbers)))
        made = (
            from_workers(batches, numbers, workers, shape, self._data.classes) if workers else _here(batches, numbers)
        )
        for loaded in made:
            if isinstance(loaded, str):
                raise UserError(loaded)
            images, labels, bad = loaded
            for place in set(bad) - self._bad[split]:
                samples, index = self._parts[split]
                warnings.warn(f"{samples.where(int(index[place]))}: unreadable image left out", stacklevel=2)
            self._bad[split] |= set(bad)
            yield Batch(images, labels)


def _here(batches: _Batches, numbers: range) -> Iterator[Loaded]:
    """Made by this process; a thread of it reads."""
    reader, read = Reader(), batches.read
    batches.read = lambda sample: reader.read(lambda: read(sample), batches.where(sample))
    try:
        for number in numbers:
            yield batches[number]
    finally:
        reader.close()
