"""Accuracy and loss over a split, every image counted exactly once."""

import warnings
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import UserError
from normfree.config.sources.reading import listed
from normfree.data import Source
from normfree.runs.heartbeat import beat
from normfree.train.conditions import as_tested
from normfree.train.parts.attack import Attack
from normfree.train.ranks.world import ALONE, World

EVALUATION_BATCH = 250
TOP = 5
"""Top-5 accuracy is that of more than so many classes."""


@dataclass(frozen=True)
class Scores:
    """What was counted over a split.

    Attributes:
        loss: sum of the cross entropies in nats.
        classes: images of each class.
        among_five: images whose class is one of the five with the highest logits; ``None`` without more than five.
    """

    correct: int
    images: int
    loss: float
    classes: tuple[int, ...]
    among_five: int | None = None

    @property
    def largest_class(self) -> float:
        """Share of the largest class among the images, in [0, 1]: the accuracy of guessing it."""
        return max(self.classes) / self.images

    def __add__(self, other: "Scores") -> "Scores":
        """Of both splits together."""
        classes = tuple(map(sum, zip_longest(self.classes, other.classes, fillvalue=0)))
        both = None not in (self.among_five, other.among_five)
        return Scores(
            self.correct + other.correct,
            self.images + other.images,
            self.loss + other.loss,
            classes,
            (self.among_five or 0) + (other.among_five or 0) if both else None,
        )

    def named(self, split: str, prefix: str = "") -> dict[str, float]:
        """Top-1 accuracy in [0, 1], mean cross entropy and top-5 accuracy, by their columns in metrics.csv."""
        accuracy, loss = self.correct / self.images, self.loss / self.images
        found = {f"{split}/{prefix}accuracy": accuracy, f"{split}/{prefix}loss": loss}
        if self.among_five is not None:
            found[f"{split}/{prefix}top5_accuracy"] = self.among_five / self.images
        return found


def evaluate(
    network: nn.Module,
    source: Source,
    split: str,
    device: torch.device,
    channels_last: bool = False,
    prefix: str = "",
    world: World = ALONE,
    mirrored: bool = False,
) -> dict[str, float]:
    """Top-1 accuracy in [0, 1], mean cross entropy in nats and top-5 accuracy, as `measure` counts them.

    Args:
        prefix: before the names of the numbers: ``ema_`` gives ``test/ema_accuracy``.
    """
    return measure(network, source, split, device, channels_last, world, mirrored=mirrored).named(split, prefix)


@torch.no_grad()
def measure(
    network: nn.Module,
    source: Source,
    split: str,
    device: torch.device,
    channels_last: bool = False,
    world: World = ALONE,
    attack: Attack | None = None,
    statistics: str = "running",
    mirrored: bool = False,
) -> Scores:
    """Count over a split, in the precision of the weights and in eval mode.

    Args:
        attack: on every image that is right without it.
        statistics: of BatchNorm: its ``running`` ones, or those of the ``batch`` that is tested.
        world: each rank evaluates its share; all get the numbers of the whole split.
        mirrored: as for `logits_of`.

    Raises:
        UserError: no image of the split could be read.
    """
    kind = next(network.parameters()).dtype
    layout = torch.channels_last if channels_last else torch.contiguous_format
    correct, loss, count, among_five = 0.0, 0.0, 0.0, 0.0
    classes: Tensor | None = None
    tested = partial(logits_of, network, mirrored=mirrored)
    with as_tested(network, statistics):
        for batch in source.evaluation_batches(split, EVALUATION_BATCH):
            images = batch.images.to(device, kind, memory_format=layout)
            labels = batch.labels.to(device, non_blocking=True)
            logits = tested(images)
            if attack is not None:
                places = world.share.rank + world.share.world_size * (int(count) + torch.arange(len(labels)))
                logits = tested(attack.in_testing(tested, images, labels, logits, places))
            seen = batch.labels.cpu().bincount(minlength=logits.shape[1])
            classes = seen if classes is None else classes + seen
            correct += int((logits.argmax(1) == labels).sum())
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            among_five += int((highest(logits) == labels[:, None]).sum())
            count += len(labels)
            beat()
    if count != source.share_size(split):
        raise RuntimeError(f"evaluated {count} images of split {split}, not {source.share_size(split)}")
    skipped = source.skipped()
    (width,) = world.highest([0 if classes is None else len(classes)])
    each = [0] * width if classes is None else classes.tolist()
    numbers = [correct, loss, count, among_five, sum(skipped.values()), skipped.get(split, 0), *each]
    correct, loss, count, among_five, unreadable, missing, *each = world.total(numbers)
    if not unreadable and count != source.size(split):
        raise RuntimeError(f"evaluated {count} images of split {split}, which has {source.size(split)}")
    if not count:
        raise UserError(
            f"data.on_error=skip: none of the {split} images could be read; give others with data.root=PATH"
        )
    if missing and (gone := [number for number, images in enumerate(each) if not images]):
        warnings.warn(
            f"data.on_error=skip: among the {round(count):,} {split} images that could be read is none of "
            f"{len(gone)} of the {width} classes ({listed(map(str, gone))})",
            stacklevel=2,
        )
    top = round(among_five) if width > TOP else None
    return Scores(round(correct), round(count), loss, tuple(map(round, each)), top)


def logits_of(network: nn.Module, images: Tensor, mirrored: bool) -> Tensor:
    """``[N, K]`` of images ``[N, C, H, W]``; with ``mirrored`` the mean with those of their mirror images."""
    logits: Tensor = network(images)
    return (logits + network(images.flip(-1))) / 2 if mirrored else logits


def highest(logits: Tensor) -> Tensor:
    """The five classes of each image with the highest logits; of equal ones the first, as ``argmax`` has it."""
    return logits.argsort(stable=True, dim=1, descending=True)[:, :TOP]
