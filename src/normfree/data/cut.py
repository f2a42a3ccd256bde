"""Which images of a step a micro batch has to read: its own, and partners that other micro batches hold."""

from typing import NamedTuple

import torch
from torch import Tensor

from normfree.config.schema import AugmentConfig
from normfree.data.mixing import Mixing, draw_mixing
from normfree.data.order import mixing_stream


class Reading(NamedTuple):
    """What one micro batch reads.

    Attributes:
        epoch: whose order it belongs to.
        places: in that order, ``[N]``: the own images, and after them partners to be mixed in.
        members: their numbers in the batch of the step, ``[N]``.
        own: how many of them are its own.
        mixing: of the step.
    """

    epoch: int
    places: Tensor
    members: Tensor
    own: int
    mixing: Mixing | None


class Cut:
    """The micro batches of a run, by their number over all ranks.

    Args:
        micro_batch: images of one.
        per_step: micro batches of an optimizer step.
        per_epoch: micro batches of one pass, a multiple of ``per_step``.
    """

    def __init__(self, micro_batch: int, per_step: int, per_epoch: int, augment: AugmentConfig, seed: int) -> None:
        self.micro_batch, self.per_step, self.per_epoch = micro_batch, per_step, per_epoch
        self._augment, self._seed = augment, seed
        self._latest: tuple[int, Mixing | None] = (-1, None)

    @property
    def most(self) -> int:
        """Images that a micro batch reads at most."""
        alone = self.per_step > 1 and self.micro_batch % 2 == 1 and (self._augment.mixup or self._augment.cutmix)
        return self.micro_batch + bool(alone)

    def reading(self, number: int) -> Reading:
        """Of micro batch ``number``."""
        step, part = divmod(number, self.per_step)
        if self._latest[0] != step:
            stream = mixing_stream(self._seed, step)
            self._latest = step, draw_mixing(self.micro_batch * self.per_step, self._augment, stream)
        mixing = self._latest[1]
        own = torch.arange(part * self.micro_batch, (part + 1) * self.micro_batch)
        members = own if mixing is None else mixing.members(own)
        first = (number % self.per_epoch - part) * self.micro_batch
        return Reading(number // self.per_epoch, first + members, members, self.micro_batch, mixing)
