"""Batches from worker processes through memory that forks share.

torch sends tensors through files in /dev/shm, of which containers have 64 MB: a worker that needs more ends with a bus
error. This memory belongs to no file system and has no other limit than the machine's.
"""

import mmap
import os
import struct
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

Ticket = tuple[int, tuple[int, ...], tuple[int, ...], bool]
"""Place of a batch, shapes of its images and labels, and whether these are class shares: a few bytes, written at once,
so that no worker can be killed in the middle."""

_PLACE = struct.Struct("<qq")
_NOTHING = -1


class SharedBatches:
    """Room for as many batches as workers may have ready, and one that is being read.

    Args:
        ready: batches that workers may be ahead.
        shape: of the images of the largest batch, ``[N, C, H, W]``.
        classes: labels may be shares of so many.
    """

    def __init__(self, ready: int, shape: Sequence[int], classes: int) -> None:
        self._images = prod(shape) * 4
        self._bytes = self._images + shape[0] * max(8, 4 * classes)
        self._bytes += -self._bytes % mmap.PAGESIZE
        self._count = ready + 1
        self._memory = mmap.mmap(-1, self._count * self._bytes)

    def write(self, position: int, images: Tensor, labels: Tensor) -> Ticket:
        """In a worker: leave the batch number ``position`` of this pass."""
        shares = labels.dtype.is_floating_point
        for tensor, place in zip(
            (images, labels), self._places(position, images.shape, labels.shape, shares), strict=True
        ):
            place.copy_(tensor)
        return position, tuple(images.shape), tuple(labels.shape), shares

    def read(self, ticket: Ticket, pinned: bool) -> tuple[Tensor, Tensor]:
        """The batch, as tensors of this process's own."""
        images, labels = (
            torch.empty(place.shape, dtype=place.dtype, pin_memory=pinned).copy_(place)
            for place in self._places(*ticket)
        )
        return images, labels

    def _places(self, position: int, images: Sequence[int], labels: Sequence[int], shares: bool) -> list[Tensor]:
        first = position % self._count * self._bytes
        kinds = (torch.float32, torch.float32 if shares else torch.int64)
        return [
            torch.frombuffer(self._memory, dtype=kind, count=prod(shape), offset=first + offset).view(*shape)
            if prod(shape)
            else torch.empty(*shape, dtype=kind)
            for kind, shape, offset in zip(kinds, (images, labels), (0, self._images), strict=True)
        ]


class Places:
    """What each of several worker processes is at, as the process that started them sees it."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, max(1, workers) * _PLACE.size)
        self._workers = workers
        for worker in range(workers):
            _PLACE.pack_into(self._memory, worker * _PLACE.size, 0, _NOTHING)

    def at(self, worker: int, sample: int | None) -> None:
        """In a worker: what it begins to read now, or nothing."""
        _PLACE.pack_into(self._memory, worker * _PLACE.size, os.getpid(), _NOTHING if sample is None else sample)

    def now(self) -> dict[int, int]:
        """Worker -> the sample that it is at, of those that are at one."""
        found = [_PLACE.unpack_from(self._memory, worker * _PLACE.size) for worker in range(self._workers)]
        return {worker: sample for worker, (_, sample) in enumerate(found) if sample != _NOTHING}

    def processes(self) -> list[int]:
        """Process ids of the workers that have begun."""
        found = [_PLACE.unpack_from(self._memory, worker * _PLACE.size)[0] for worker in range(self._workers)]
        return [process for process in found if process]
