"""Dropout and stochastic depth of other libraries' networks, by the sample where `sample_noise` asks for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from normfree.nets.sample_noise import SampleNoise, current_noise, dropout

_OTHER = {
    torch.rand, torch.rand_like, torch.randn, torch.randn_like, torch.randint, torch.randperm, torch.bernoulli,
    torch.multinomial, Tensor.uniform_, Tensor.normal_, Tensor.random_, F.dropout1d, F.dropout2d, F.dropout3d,
    F.alpha_dropout, F.feature_alpha_dropout,
}  # fmt: skip


class _BySample(TorchFunctionMode):
    def __init__(self, noise: SampleNoise) -> None:
        super().__init__()
        self._noise = noise

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is F.dropout:
            x, rate, training = _dropout(*args, **given)
            if len(x) == self._noise.samples:
                return dropout(x, rate, training)
        if func is Tensor.bernoulli_ and len(args) + len(given) == 2:
            mask, stays = args[0], args[1] if len(args) > 1 else given.get("p")
            # One number a sample: DropPath and StochasticDepth, whose argument is the chance to stay.
            if isinstance(stays, float) and mask.numel() == len(mask) == self._noise.samples:
                return mask.copy_((self._noise.of_samples() < stays).view_as(mask))
        random = func in _OTHER or func in (Tensor.bernoulli_, F.dropout)
        if random or (func is F.scaled_dot_product_attention and given.get("dropout_p")):
            warnings.warn(
                f"{getattr(func, '__name__', func)} in a network of another library draws random numbers by the batch: "
                "a run with it depends on how its batch is cut",
                stacklevel=2,
            )
        return func(*args, **given)


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> tuple[Tensor, float, bool]:
    return x, p, training


@contextmanager
def peer_noise(training: bool) -> Iterator[None]:
    """Around the forward pass of such a network; what cannot be drawn by the sample is warned of."""
    noise = current_noise() if training else None
    if noise is None:
        yield
        return
    with _BySample(noise):
        yield
