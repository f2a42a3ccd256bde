"""Initial values that depend on data: a network that asks for it is shown training images before its first step.

Needs no Lightning, so that the stress test has it too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from normfree.data import Source

IMAGES = 2000
"""How many of them, the first of the split; the same for every seed."""
_BATCH = 250


def initialise_from_data(
    network: nn.Module, source: Source, gather: Callable[[Any], list[Any]] = lambda content: [content]
) -> None:
    """Call ``network.initialise_from(images)``, where it has one, with training images as they would be tested.

    ``images`` are ``[N, C, H, W]``, normalised, on the processor, in the order of the split: the same however a batch
    is cut and on every rank. Called where a run begins, not where it goes on from a checkpoint or starts from weights.

    Args:
        gather: what every rank gives, as `normfree.train.ranks.world.World.gather`.
    """
    initialise = getattr(network, "initialise_from", None)
    if initialise is None:
        return
    shares = gather(_first_images(source))
    longest = max(len(share) for share in shares)
    initialise(torch.stack([share[place] for place in range(longest) for share in shares if place < len(share)]))


def _first_images(source: Source) -> Tensor:
    """This rank's share of the first training images."""
    wanted = sum(place < IMAGES for place in source.places("train"))
    found: list[Tensor] = []
    for batch in source.evaluation_batches("train", _BATCH):
        found.append(batch.images.cpu())
        if sum(map(len, found)) >= wanted:
            break
    return torch.cat(found)[:wanted]
