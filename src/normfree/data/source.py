"""What every data source offers to training and evaluation."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from torch import Tensor

SPLITS = ("train", "validation", "test")


class Batch(NamedTuple):
    """Normalised images ``[N, C, H, W]`` in float32 and labels ``[N]`` (int64), or class shares ``[N, K]``."""

    images: Tensor
    labels: Tensor


class Source(Protocol):
    """Images with labels in three splits that never overlap.

    A training batch is a pure function of the seed and its number: a resumed run asks for the step where it stopped and
    gets the very images it would have got.
    """

    def size(self, split: str) -> int:
        """Images in a split, without those that could not be read and were left out."""
        ...

    def skipped(self) -> dict[str, int]:
        """Unreadable images that were left out so far, by where they were."""
        ...

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Augmented micro batches number ``start`` to ``stop`` of the run, counted from its first."""
        ...

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        """Every image of a split exactly once, in order, as it is tested."""
        ...

    def pixels(self, images: Tensor) -> Tensor:
        """Undo the normalisation: values in about [0, 1], on the processor."""
        ...
