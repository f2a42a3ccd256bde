"""Each operation against torchvision's or a formula of the released code, and the batch against its images alone."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from normfree.data.randaugment import DRAWS, INCREASING, NAMES, OPERATIONS, randaugment

IMAGES = torch.randint(0, 256, (64, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
IMAGES[..., 6:18, 6:18] //= 3
CENTRES = torch.rand(64, 2, generator=torch.Generator().manual_seed(1))


def apply(name: str, magnitude: float, sign: int = 1) -> Tensor:
    return OPERATIONS[name](IMAGES, magnitude / 10, sign, CENTRES)


def test_an_image_does_not_depend_on_the_others() -> None:
    draws = torch.rand(64, 3 * DRAWS, generator=torch.Generator().manual_seed(2))
    whole = randaugment(IMAGES, 3, 7, draws)
    alone = torch.cat([randaugment(IMAGES[i : i + 1], 3, 7, draws[i : i + 1]) for i in range(64)])
    assert torch.equal(whole, alone)
    assert (whole != IMAGES).flatten(1).any(1).float().mean() > 0.9


def test_every_operation_is_drawn_about_as_often() -> None:
    assert len(NAMES) == 16
    marks = torch.arange(16)[:, None].expand(16, 100).reshape(-1) / 16 + 0.03
    draws = torch.zeros(1600, DRAWS)
    draws[:, 0] = marks
    image = IMAGES[:1].expand(1600, -1, -1, -1)
    found = randaugment(image, 1, 6, draws)
    for number, name in enumerate(NAMES):
        expected = OPERATIONS[name](image[:1], 0.6, -1, torch.zeros(1, 2))
        assert torch.equal(found[number * 100], expected[0]), name


@pytest.mark.parametrize("magnitude", [0, 5, 10, 15])
def test_strengths_are_the_papers(magnitude: float) -> None:
    factor = magnitude / 10 * 1.8 + 0.1
    bits = int(magnitude / 10 * 4)
    expected = {
        "brightness": F.adjust_brightness(IMAGES, factor),
        "contrast": F.adjust_contrast(IMAGES, factor),
        "color": F.adjust_saturation(IMAGES, factor),
        "sharpness": F.adjust_sharpness(IMAGES, factor),
        "posterize": (IMAGES.int() // 2 ** (8 - bits) * 2 ** (8 - bits)).to(torch.uint8),
        "solarize": torch.where(IMAGES.double() < magnitude / 10 * 256, IMAGES, 255 - IMAGES),
        "solarize_add": torch.where(
            IMAGES < 128, (IMAGES.int() + int(magnitude / 10 * 110)).clamp(0, 255), IMAGES.int()
        ).to(torch.uint8),
        "invert": F.invert(IMAGES),
        "equalize": F.equalize(IMAGES),
        "auto_contrast": F.autocontrast(IMAGES),
        "rotate": F.rotate(IMAGES, -magnitude * 3, fill=128.0),
    }
    for name, images in expected.items():
        assert torch.equal(apply(name, magnitude), images), name


def test_shears_and_translations_move_what_they_should() -> None:
    step = int(100 * 24 / 192 * 0.5)
    right = apply("translate_x", 5)
    assert torch.equal(right[..., step:], IMAGES[..., :-step])
    assert bool((right[..., :step] == 128).all())
    up = apply("translate_y", 5, sign=-1)
    assert torch.equal(up[:, :, :-step], IMAGES[:, :, step:])
    # Horizontal shear by s moves a row at y from the centre by s * y pixels.
    column = torch.full((1, 1, 41, 41), 0, dtype=torch.uint8)
    column[..., 20] = 255
    for name, line, axis in (("shear_x", column, 3), ("shear_y", column.transpose(2, 3), 2)):
        found = OPERATIONS[name](line, 1.0, 1, CENTRES[:1])
        places = (found == 255).float().argmax(axis)[0, 0]
        assert abs(abs(float(places[35] - places[5])) / 30 - 0.3) < 0.05, name


def test_cutout_is_a_grey_square_of_twice_its_half_side() -> None:
    large = torch.zeros(1, 3, 200, 200, dtype=torch.uint8)
    found = OPERATIONS["cutout"](large, 0.5, 1, torch.tensor([[0.5, 0.25]]))
    grey = torch.nonzero(found[0, 0] == 128)
    assert len(grey) == 40 * 40
    assert grey.min(0).values.tolist() == [80, 30]


def test_grey_images_can_be_augmented() -> None:
    draws = torch.rand(64, 4 * DRAWS, generator=torch.Generator().manual_seed(2))
    assert randaugment(IMAGES[:, :1], 4, 15, draws).shape == (64, 1, 24, 24)


def test_on_the_increasing_scale_0_is_no_augmentation_and_strength_grows() -> None:
    draws = torch.rand(64, 2 * DRAWS, generator=torch.Generator().manual_seed(2))
    assert torch.equal(randaugment(IMAGES, 2, 0, draws, increasing=True), IMAGES)
    assert not torch.equal(randaugment(IMAGES, 2, 0, draws), IMAGES)
    for sign in (-1, 1):
        for name, operation in (OPERATIONS | INCREASING).items():
            changed = [
                float((operation(IMAGES, strength / 10, sign, CENTRES).float() - IMAGES).abs().mean())
                for strength in range(11)
            ]
            assert changed[0] == 0 or name in ("rotate", "shear_x", "shear_y"), name
            assert changed[10] > changed[5] > changed[1] or name == "posterize", (name, changed)
            # Moved noise is as far from itself whatever the distance.
            if name not in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y"):
                assert all(one <= other + 1e-6 for one, other in pairwise(changed)), (name, changed)
