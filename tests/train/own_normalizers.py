"""A user's normalisers, and some that are wrong."""

from typing import Any

import torch
from torch import Tensor, nn

from normfree.nets.normalizers import Normalizer
from normfree.nets.normalizers.parameters import ChannelAffine


class ImageRMS(ChannelAffine):
    sees = "sample"

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(x, x.square().mean((1, 2, 3), keepdim=True).add(1e-6).rsqrt())


class Squashed(ImageRMS):
    """What autograd keeps is what it gives: the network may not write over it."""

    sees = "none"

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


class Unsaid(nn.Identity):
    def __init__(self, channels: int) -> None:
        super().__init__()


class Odd(ImageRMS):
    sees = "weather"


class groupnorm(ImageRMS):
    """Has a name that a normaliser of normfree has."""


class Unmade(ImageRMS):
    def __init__(self, channels: int) -> None:
        raise KeyError(channels)


class Raises(ImageRMS):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("not today")


class OneNumber(ImageRMS):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean()


def text(channels: int) -> Any:
    return str(channels)


text.sees = "none"  # type: ignore[attr-defined]
number = 3
whole = Normalizer("anything", "RMS of a batch", "batch", "a test", "y = x / rms", ImageRMS)
replacing = Normalizer("replacing", "all of it", "none", "a test", "y = x", Squashed, activation="replaced")
