"""RandAugment (Cubuk et al. 2020) with the operations and strengths of the NFNet code, on whole batches of uint8.

Sixteen operations; one is drawn for each image and layer. Strengths run from 0 to 10 and beyond, on one of two scales:
the paper's, where an operation is always applied and some are the stronger the lower the strength (at 0 images are
black, grey or inverted), and an increasing one, as other libraries have it ('inc1'), which changes nothing at 0. Its
translations of 100 px and boxes of 40 px half-side (at strength 10) are for images of 192 px (NFNet-F0) and more;
smaller images have them in proportion. Contrast is taken about the image's mean grey.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

DRAWS = 4
"""Random numbers of one layer and image: operation, sign, and the centre of a box."""

GREY = 128
_FULL_SIZE = 192


def randaugment(images: Tensor, layers: int, magnitude: float, draws: Tensor, increasing: bool = False) -> Tensor:
    """Apply ``layers`` random operations to each image.

    Args:
        images: uint8 ``[N, C, H, W]``, on any device.
        magnitude: strength on a scale of 0 to 10; the NFNets go up to 15.
        draws: ``[N, layers * 4]`` in [0, 1), best on the processor: they say what is done to which image.
        increasing: on the scale whose 0 changes nothing, not on the paper's.
    """
    if increasing and magnitude == 0:
        return images
    operations = OPERATIONS | INCREASING if increasing else OPERATIONS
    images = images.clone()
    draws = draws.view(len(images), layers, DRAWS)
    for layer in range(layers):
        draw = draws[:, layer]
        chosen = (draw[:, 0] * len(OPERATIONS)).long().clamp_max(len(OPERATIONS) - 1)
        # Groups that share an operation and its sign are changed in one call.
        group = 2 * chosen + (draw[:, 1] < 0.5)
        for number in sorted(set(group.tolist())):
            members = torch.nonzero(group == number)[:, 0]
            operation = operations[NAMES[number // 2]]
            sign = -1 if number % 2 else 1
            centres = draw[members, 2:].to(images.device, non_blocking=True)
            members = members.to(images.device, non_blocking=True)
            images[members] = operation(images[members], magnitude / 10, sign, centres)
    return images


Operation = Callable[[Tensor, float, int, Tensor], Tensor]
"""Images, strength (1 is the paper's 10), sign and centres ``[N, 2]`` -> images."""


def _blend(adjust: Callable[[Tensor, float], Tensor]) -> Operation:
    return lambda images, strength, sign, centres: adjust(images, strength * 1.8 + 0.1)


def _affine(
    images: Tensor, angle: float = 0, shift: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0, 0)
) -> Tensor:
    fill = [float(GREY)] * images.shape[1]
    moved: Tensor = F.affine(images, angle, list(shift), 1.0, list(shear), InterpolationMode.NEAREST, fill)
    return moved


def _pixels(images: Tensor, most: float) -> float:
    return most * min(1.0, images.shape[-1] / _FULL_SIZE)


def _rotate(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    return _affine(images, angle=sign * strength * 30)


def _shear(horizontal: bool) -> Operation:
    def operation(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
        angle = float(torch.rad2deg(torch.atan(torch.tensor(sign * strength * 0.3))))
        return _affine(images, shear=(angle, 0) if horizontal else (0, angle))

    return operation


def _translate(horizontal: bool) -> Operation:
    def operation(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
        pixels = sign * int(_pixels(images, 100) * strength)
        return _affine(images, shift=(pixels, 0) if horizontal else (0, pixels))

    return operation


def _posterize(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    """Keeps 4 bits at strength 10 and 2 at 5: weaker the higher the strength, as in the code."""
    kept: Tensor = F.posterize(images, min(8, int(strength * 4)))
    return kept


def _solarize(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    """Inverts pixels from a threshold of 256 at strength 10: nothing from there on, as in the code."""
    return torch.where(images.int() < int(strength * 256), images, 255 - images)


def _solarize_add(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    added = (images.int() + int(strength * 110)).clamp_max(255).to(torch.uint8)
    return torch.where(images < GREY, added, images)


def _cutout(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    """A grey square around a uniform centre, cut at the border."""
    half = int(_pixels(images, 40) * strength)
    inside = torch.ones((), dtype=torch.bool, device=images.device)
    for axis, side in ((0, images.shape[2]), (1, images.shape[3])):
        centre = (centres[:, axis : axis + 1] * side).floor()
        place = torch.arange(side, device=images.device)
        within = (place >= centre - half) & (place < centre + half)
        inside = inside & within.unsqueeze(2 - axis)
    return images.masked_fill(inside[:, None], GREY)


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": lambda images, strength, sign, centres: F.autocontrast(images),
    "equalize": lambda images, strength, sign, centres: F.equalize(images),
    "invert": lambda images, strength, sign, centres: 255 - images,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "color": _blend(F.adjust_saturation),
    "contrast": _blend(F.adjust_contrast),
    "brightness": _blend(F.adjust_brightness),
    "sharpness": _blend(F.adjust_sharpness),
    "shear_x": _shear(True),
    "shear_y": _shear(False),
    "translate_x": _translate(True),
    "translate_y": _translate(False),
    "cutout": _cutout,
    "solarize_add": _solarize_add,
}
NAMES = tuple(OPERATIONS)


def _sometimes(operation: Operation) -> Operation:
    """What has no strength of its own, for a share of the images that is the strength."""

    def chosen(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
        changed = operation(images, strength, sign, centres)
        return torch.where((centres[:, 0] < strength)[:, None, None, None], changed, images)

    return chosen


def _away_from_1(adjust: Callable[[Tensor, float], Tensor]) -> Operation:
    """A factor from 1 down to 0.1 or up to 1.9 at strength 1."""
    return lambda images, strength, sign, centres: adjust(images, max(0.1, 1 + sign * 0.9 * strength))


def _posterize_more(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    """Keeps 8 bits at strength 0, 4 at 10 and 2 at 15."""
    kept: Tensor = F.posterize(images, max(1, 8 - int(strength * 4)))
    return kept


def _solarize_more(images: Tensor, strength: float, sign: int, centres: Tensor) -> Tensor:
    """Inverts what is brighter than a threshold that falls from 256 at strength 0 to 0 at 10."""
    return torch.where(images.int() < max(0, 256 - int(strength * 256)), images, 255 - images)


INCREASING: dict[str, Operation] = {
    **{name: _sometimes(OPERATIONS[name]) for name in ("auto_contrast", "equalize", "invert")},
    "posterize": _posterize_more,
    "solarize": _solarize_more,
    "color": _away_from_1(F.adjust_saturation),
    "contrast": _away_from_1(F.adjust_contrast),
    "brightness": _away_from_1(F.adjust_brightness),
    "sharpness": _away_from_1(F.adjust_sharpness),
}
"""Operations that change the more the higher the strength, and nothing at 0; the others of `OPERATIONS` do already."""
