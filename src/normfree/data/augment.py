"""What an augmentation does to a batch, in its order: move, RandAugment, mix, normalise, erase."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from normfree.config.effect import randaugments
from normfree.config.schema import AugmentConfig
from normfree.data.crops import CROP_DRAWS, ERASE_DRAWS, erase, resized_crop, shift_and_flip
from normfree.data.mixing import Mixing, mix
from normfree.data.order import CROP, ERASING, RANDAUGMENT, augmentation_stream, generator
from normfree.data.randaugment import DRAWS, randaugment
from normfree.data.source import Batch

SHIFT_DRAWS = 3


def epoch_draws(samples: int, augment: AugmentConfig, seed: int, epoch: int) -> dict[str, Tensor]:
    """Random numbers ``[samples, k]`` of every image of an epoch, for each part of the augmentation that is on."""
    draws = {"shift": torch.rand(samples, SHIFT_DRAWS, generator=augmentation_stream(seed, epoch))}
    if augment.flip and augment.alternate:
        draws["shift"][:, 2] = _alternating(samples, seed, epoch)
    for name, (purpose, count) in extra_draws(augment).items():
        draws[name] = torch.rand(samples, count, generator=generator(seed, purpose, epoch))
    return draws


def _alternating(samples: int, seed: int, epoch: int) -> Tensor:
    """Below a half for images that are mirrored: half of them in the first epoch, by chance, in the next the others."""
    first = torch.rand(samples, SHIFT_DRAWS, generator=augmentation_stream(seed, 0))[:, 2] < 0.5
    return (first == bool(epoch % 2)).float()


def extra_draws(augment: AugmentConfig) -> dict[str, tuple[int, int]]:
    """Parts that are on, beside shift and flip: their random stream and how many numbers an image needs."""
    parts = {
        "crop": (CROP, CROP_DRAWS if augment.random_resized_crop else 0),
        "erasing": (ERASING, ERASE_DRAWS if augment.erasing else 0),
        "randaugment": (RANDAUGMENT, DRAWS * augment.randaugment_layers if randaugments(augment) else 0),
    }
    return {name: part for name, part in parts.items() if part[1]}


def sample_draws(augment: AugmentConfig) -> dict[str, int]:
    """How many random numbers each part takes of an image's own stream."""
    return {"shift": SHIFT_DRAWS} | {name: count for name, (_, count) in extra_draws(augment).items()}


def move(images: Tensor, augment: AugmentConfig, draws: Mapping[str, Tensor]) -> Tensor:
    """Crop or shift, and mirror, uint8 images that have the size of training."""
    shift = draws["shift"]
    flipped = shift[:, 2] < 0.5 if augment.flip else torch.zeros_like(shift[:, 2], dtype=torch.bool)
    if augment.random_resized_crop:
        images = resized_crop(images, draws["crop"], flipped)
        flipped = torch.zeros_like(flipped)
    if augment.shift or augment.flip:
        images = shift_and_flip(images, augment.shift, shift[:, :2], flipped)
    return images


def finish(
    images: Tensor,
    labels: Tensor,
    classes: int,
    augment: AugmentConfig,
    draws: Mapping[str, Tensor],
    mixing: Mixing | None,
    members: Tensor,
    own: int,
    normalise: Callable[[Tensor], Tensor],
) -> Batch:
    """RandAugment, MixUp and CutMix, normalisation and erasing.

    With ``mix_first``, mixed images are rounded to uint8 and RandAugment comes after, as in the NFNet code.

    Args:
        images: uint8 ``[N, C, H, W]``, moved.
        labels: ``[N]``.
        draws: ``[N, k]`` of each part.
        mixing, members, own: as for `normfree.data.mixing.mix`; images that are there to be mixed in do not come out.
    """

    def randaugmented(pixels: Tensor) -> Tensor:
        if not randaugments(augment):
            return pixels
        numbers = draws["randaugment"][: len(pixels)]
        return randaugment(pixels, augment.randaugment_layers, augment.magnitude, numbers, augment.increasing)

    if augment.mix_first and randaugments(augment):
        mixed = mix(images.float(), labels, classes, mixing, members, own)
        batch = Batch(normalise(randaugmented(mixed.images.round().clamp(0, 255).to(torch.uint8))), mixed.labels)
    else:
        batch = mix(normalise(randaugmented(images)), labels, classes, mixing, members, own)
    if augment.erasing:
        erase(batch.images, augment.erasing, draws["erasing"][:own])
    return batch
