"""Whether an exported file computes what the network does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from normfree.config import UserError
from normfree.trained import Trained

TOLERANCE = 1e-3
"""Of the largest logit: what other kernels and another order of adding may change."""


@dataclass(frozen=True)
class Checked:
    """
    Attributes:
        difference: the largest between two logits.
        largest: absolute logit of the original.
    """

    images: int
    difference: float
    largest: float


@torch.no_grad()
def check(compute: Callable[[Tensor], Tensor], original: Trained, inputs: Tensor, file: Path) -> Checked:
    """Compare on normalised images ``[N, C, S, S]``, in batches of one, of two and of the rest.

    Raises:
        UserError: an image is given another class, or logits differ by more than rounding.
    """
    expected = torch.cat([original.network(part) for part in torch.split(inputs, 64)]).float()
    found = torch.cat([compute(part) for part in _uneven(inputs)])
    other = int((found.argmax(1) != expected.argmax(1)).sum())
    checked = Checked(len(inputs), float((found - expected).abs().max()), float(expected.abs().max()))
    if other or not checked.difference <= TOLERANCE * max(1.0, checked.largest):
        raise UserError(
            f"out={file}: was not written; it gives {other} of {len(inputs)} images another class, and logits differ "
            f"by up to {checked.difference:.3g} (the largest is {checked.largest:.3g}); try another format="
        )
    return checked


def _uneven(inputs: Tensor) -> list[Tensor]:
    """Batches of different sizes, so that one size alone would not do."""
    return [part for part in (inputs[:1], inputs[1:3], *torch.split(inputs[3:], 64)) if len(part)]
