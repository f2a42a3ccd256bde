"""Random numbers of dropout and stochastic depth that belong to a sample, whatever batch it is computed in.

Inside `sample_noise`, the numbers of a layer are an integer hash of seed, step, layer and the sample's number in the
batch of the step: the same on every device, and however the batch is cut over devices and accumulation. Elsewhere, in
anybody's training loop, they are torch's own. In evaluation nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

_WORD = 0xFFFFFFFF
_LAYERS = 32
"""Layers whose numbers are made in one go."""


class SampleNoise:
    """The random numbers of one forward pass.

    Args:
        key: 64 bits that name seed, step and pass.
        numbers: of the samples in the batch of the step, int64 ``[N]``, on the device of the network.

    Attributes:
        samples: how many there are.
    """

    def __init__(self, key: int, numbers: Tensor) -> None:
        # A tensor: a compiled network would be compiled anew for another number.
        self._high = torch.full((), key >> 32, dtype=torch.int64, device=numbers.device)
        self._words_of_samples = _scrambled(numbers ^ (key & _WORD))
        self.samples = len(numbers)
        self._layer = -1
        self._drawn: Tensor | None = None

    def of_samples(self) -> Tensor:
        """The next layer's: a number in [0, 1) for each sample, float32 ``[N]``."""
        self._layer += 1
        row = self._layer % _LAYERS
        if row == 0 or self._drawn is None:
            layers = torch.arange(self._layer - row, self._layer - row + _LAYERS, device=self._words_of_samples.device)
            self._drawn = _uniform(self._words(layers[:, None]))
        return self._drawn[row]

    def of_features(self, features: int) -> Tensor:
        """The next layer's: a number in [0, 1) for each feature of each sample, float32 ``[N, features]``."""
        self._layer += 1
        words = self._words(self._layer)[:, None]
        return _uniform(words + torch.arange(1, features + 1, device=words.device) * 0x85EBCA6B)

    def _words(self, layers: Tensor | int) -> Tensor:
        return _scrambled((self._words_of_samples + (layers + 1) * 0x9E3779B1 & _WORD) ^ self._high)


_current: SampleNoise | None = None


@contextmanager
def sample_noise(seed: int, step: int, numbers: Tensor, turn: int = 0) -> Iterator[None]:
    """Inside, dropout and stochastic depth of training belong to the samples ``numbers`` of optimizer step ``step``.

    Args:
        numbers: of the samples in the whole batch of the step, int64 ``[N]``, on the device of the network.
        turn: which of several forward passes of the step.
    """
    global _current
    before, _current = _current, SampleNoise(key_of(seed, step, turn), numbers)
    try:
        yield
    finally:
        _current = before


def uniform_of(seed: int, step: int, numbers: Tensor, features: int, turn: int) -> Tensor:
    """Numbers in [0, 1), float32 ``[N, features]``, of samples ``numbers`` of a step, as no layer has them.

    Args:
        turn: what they are drawn for; those of `sample_noise` are other numbers.
    """
    return SampleNoise(key_of(seed, step, turn), numbers).of_features(features)


def current_noise() -> SampleNoise | None:
    """The numbers of the forward pass that is running, or ``None`` outside of `sample_noise`."""
    return _current


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zeroes features ``[N, ...]`` with probability ``rate`` and divides the others by ``1 - rate``."""
    if not training or rate == 0 or _current is None:
        return F.dropout(x, rate, training)
    kept = _current.of_features(x[0].numel()).view_as(x) >= rate
    return x * kept.to(x.dtype) / (1 - rate)


def key_of(*parts: int) -> int:
    """64 bits that depend on every part (splitmix64, Steele et al. 2014)."""
    word = 0
    for part in parts:
        word = (word + part + 0x9E3779B97F4A7C15) % 2**64
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
        word ^= word >> 31
    return word


def _scrambled(words: Tensor) -> Tensor:
    """A permutation of 32-bit words in int64 (Wellons 2018, 'lowbias32')."""
    words = words & _WORD
    words = (words ^ words >> 16) * 0x7FEB352D & _WORD
    words = (words ^ words >> 15) * 0x846CA68B & _WORD
    return words ^ words >> 16


def _uniform(words: Tensor) -> Tensor:
    """In [0, 1), the upper 24 bits of the scrambled words: exact in float32."""
    return (_scrambled(words) >> 8).float() * 2**-24
