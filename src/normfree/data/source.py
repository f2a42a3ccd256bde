"""What every data source offers to training and evaluation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Share:
    """What one of ``world_size`` ranks takes of a run's images; all ranks together take what one process would.

    Micro batch ``g`` of rank ``r`` is number ``g * world_size + r`` of the run, and every ``world_size``-th image of a
    split, from number ``r`` on, is evaluated.
    """

    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world_size:
            raise ValueError(f"rank {self.rank} of {self.world_size}")

    def numbers(self, start: int, stop: int) -> range:
        """This rank's micro batches ``start`` to ``stop`` as numbers of the run."""
        return range(start * self.world_size + self.rank, stop * self.world_size + self.rank, self.world_size)

    def places(self, size: int) -> range:
        """Places in a split of ``size`` images that this rank evaluates."""
        return range(self.rank, size, self.world_size)


ALONE = Share()


class Batch(NamedTuple):
    """Normalised images ``[N, C, H, W]`` in float32 and labels ``[N]`` (int64), or class shares ``[N, K]``."""

    images: Tensor
    labels: Tensor


class Source(Protocol):
    """Images with labels in three splits that never overlap, or one rank's :class:`Share` of them.

    A training batch is a pure function of the seed and its number in the run: a resumed run asks for the step where it
    stopped and gets the very images it would have got.

    Attributes:
        digest: of what is read: names, sizes and labels, and the contents of small sets.
        read: classes, places, and what was left out, as result.json keeps it.
    """

    digest: str
    read: Mapping[str, Any]

    def size(self, split: str) -> int:
        """Images in a split, of all ranks, without those that this rank could not read and left out."""
        ...

    def share_size(self, split: str) -> int:
        """Images of a split that this rank evaluates, without those that it could not read and left out."""
        ...

    def places(self, split: str) -> list[int]:
        """Where in the split the images lie that this rank evaluates, in their order, without those that it could not
        read and left out so far.
        """
        ...

    def skipped(self) -> dict[str, int]:
        """Unreadable images that were left out so far, by where they were."""
        ...

    def training_batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Augmented micro batches number ``start`` to ``stop`` of this rank, counted from the first of the run."""
        ...

    def evaluation_batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        """Every image of this rank's share of a split exactly once, in order, as it is tested."""
        ...

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and deviation of each channel by which images are normalised, of pixels in [0, 1]."""
        ...

    def pixels(self, images: Tensor) -> Tensor:
        """Undo the normalisation: values in about [0, 1], on the processor."""
        ...
