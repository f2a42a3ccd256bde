"""The images of a test as a condition wants them: corrupted, in other batches, a batch of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from normfree.config import UserError
from normfree.config.conditions import Condition
from normfree.config.errors import nearest
from normfree.data import Batch, Source
from normfree.data.corrupting import Corrupted, corruptions
from normfree.nets.batch_norm import GhostBatchNorm2d, sees_batch

_MIXED = 0
"""Of the order of mixed images."""


class Conditioned:
    """A source whose images for evaluation are those of ``source`` under a condition; it trains nothing.

    What a corruption draws belongs to the image's place in its split.
    """

    def __init__(self, source: Source, condition: Condition, rank: int = 0, world_size: int = 1) -> None:
        self._source, self._condition = source, condition
        self._rank, self._world_size = rank, world_size
        self.digest: str = source.digest
        self.read: Mapping[str, Any] = source.read

    def size(self, split: str) -> int:
        return min(self._condition.images or self._source.size(split), self._source.size(split))

    def share_size(self, split: str) -> int:
        return len(self._chosen(split))

    def places(self, split: str) -> list[int]:
        places = self._source.places(split)
        return [places[number] for number in self._chosen(split)]

    def skipped(self) -> dict[str, int]:
        return self._source.skipped()

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        return self._source.training_batches(start, stop)

    def statistics(self) -> tuple[list[float], list[float]]:
        return self._source.statistics()

    def pixels(self, images: Tensor) -> Tensor:
        return self._source.pixels(images)

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        """Every image of the share once: classes one after the other where each batch is of one, its last smaller."""
        found = self._corrupted(self._some(self._source.evaluation_batches(split, batch_size), split))
        size = self._condition.batch or batch_size
        if self._condition.order == "as_is" and size == batch_size and self._condition.images is None:
            yield from found
            return
        every = list(found)
        if not every:
            return
        images, labels = (torch.cat([getattr(each, name) for each in every]) for name in ("images", "labels"))
        groups = [torch.arange(len(labels), device=labels.device)]
        if self._condition.order == "mixed":
            mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_MIXED))
            groups = [mixed.to(labels.device)]
        if self._condition.order == "by_class":
            groups = [(labels == label).nonzero().flatten() for label in sorted(set(labels.tolist()))]
        for group in groups:
            for part in torch.split(group, size):
                yield Batch(images[part.to(images.device)], labels[part])

    def _chosen(self, split: str) -> list[int]:
        """Of this rank's images of a split, which are tested: their numbers in its share."""
        whole, some = self._source.size(split), self.size(split)
        places = {number * whole // some for number in range(some)}
        share = range(self._source.share_size(split))
        return [number for number in share if self._rank + self._world_size * number in places]

    def _some(self, batches: Iterator[Batch], split: str) -> Iterator[Batch]:
        chosen, first = torch.tensor(self._chosen(split), dtype=torch.int64), 0
        for images, labels in batches:
            here = chosen[(chosen >= first) & (chosen < first + len(labels))] - first
            first += len(labels)
            if len(here):
                yield Batch(images[here.to(images.device)], labels[here.to(labels.device)])

    def _corrupted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        name = self._condition.corruption
        if name is None:
            yield from batches
            return
        change, done = Corrupted(name, self._condition.strength), 0
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in self._source.statistics())
        for images, labels in batches:
            places = [self._rank + self._world_size * (done + number) for number in range(len(labels))]
            pixels = (self._source.pixels(images) * 255).round().clamp(0, 255).byte()
            changed = change(pixels, places).to(images.dtype) / 255
            yield Batch(((changed - mean.to(changed)) / std.to(changed)).to(images.device), labels)
            done += len(labels)


@contextmanager
def as_tested(network: nn.Module, statistics: str) -> Iterator[None]:
    """Inside, the network is in eval mode; what sees the batch takes those of what it is given with ``batch``.

    Afterwards modes, running statistics and ghost batches are as before.
    """
    layers = [each for each in network.modules() if sees_batch(each)] if statistics == "batch" else []
    kept = [(buffer, buffer.clone()) for layer in layers for buffer in layer.buffers()]
    ghosts = [(each, each.ghost_batch) for each in layers if isinstance(each, GhostBatchNorm2d)]
    training = network.training
    network.eval()
    for layer in layers:
        layer.train()
    for ghost, _ in ghosts:
        ghost.ghost_batch = None
    try:
        yield
    finally:
        for ghost, size in ghosts:
            ghost.ghost_batch = size
        network.train(training)
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)


def check_corruption(condition: Condition, place: str) -> None:
    """
    Raises:
        UserError: there is no such corruption.
    """
    name = condition.corruption
    if name is not None and name not in corruptions():
        known = ", ".join(corruptions())
        raise UserError(f"{place}={name}: no such corruption{nearest(str(name), corruptions())}; there are: {known}")
