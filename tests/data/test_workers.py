"""Training images that worker processes read: what is done to one, and by which random numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import resolved
from tests.data.images import config
from torchvision.transforms.v2 import InterpolationMode, functional
from torchvision.transforms.v2.functional import to_pil_image

from normfree.config import UserError
from normfree.config.schema import AugmentConfig
from normfree.data import build_source
from normfree.data.augment import move
from normfree.data.boxes import random_part
from normfree.data.crops import CROP_DRAWS
from normfree.data.transforms import training_image

WIDE = torch.randint(0, 256, (3, 30, 50), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("last", [0.2, 0.8])
def test_a_random_part_is_cut_resized_and_mirrored(last: float) -> None:
    augment = AugmentConfig("x", random_resized_crop=True, flip=True)
    for seed in range(20):
        crop = torch.rand(CROP_DRAWS, generator=torch.Generator().manual_seed(seed))
        draws = {"shift": torch.tensor([0.5, 0.5, last]), "crop": crop}
        made = training_image(to_pil_image(WIDE), config(None, train_size=16), augment, draws)
        top, left, rows, columns = (int(v[0]) for v in random_part(np.array([30]), np.array([50]), crop[None].numpy()))
        assert top + rows <= 30
        assert left + columns <= 50
        expected = functional.resized_crop(WIDE, top, left, rows, columns, [16, 16], InterpolationMode.BICUBIC)
        assert torch.equal(made, functional.horizontal_flip(expected) if last < 0.5 else expected)


def test_random_parts_are_as_large_and_as_wide_as_torchvisions() -> None:
    from torchvision.transforms.v2 import RandomResizedCrop

    torch.manual_seed(0)
    theirs = RandomResizedCrop(16)
    boxes = [theirs.make_params([WIDE]) for _ in range(2000)]
    rows, columns = random_part(np.full(2000, 30), np.full(2000, 50), torch.rand(2000, CROP_DRAWS).numpy())[2:]
    for ours, key in ((rows, "height"), (columns, "width")):
        expected = np.array([box[key] for box in boxes])
        # Five standard errors of the difference of two means.
        assert abs(ours.mean() - expected.mean()) < 5 * (2 / 2000) ** 0.5 * expected.std()
        assert abs(ours.std() / expected.std() - 1) < 0.1


@pytest.mark.parametrize("name", ["parquet", "folder"])
def test_images_of_the_size_of_training_are_mirrored_as_in_memory(name: str) -> None:
    augment = AugmentConfig("x", flip=True)
    square = WIDE[:, :28, :28]
    for last in (0.2, 0.8):
        draws = {"shift": torch.tensor([0.1, 0.9, last])}
        made = training_image(to_pil_image(square), config(None, name=name), augment, draws)
        batched = {part: values[None] for part, values in draws.items()}
        assert torch.equal(made, move(square[None], augment, batched)[0])


@pytest.mark.parametrize("name", ["parquet", "folder", "ffcv"])
def test_images_are_squashed_or_cut_to_a_square_whatever_the_source(name: str) -> None:
    plain, draws, wide = AugmentConfig("none"), {"shift": torch.ones(3)}, to_pil_image(WIDE)
    for keep_aspect, part in ((False, wide), (True, wide.crop((10, 0, 40, 30)))):
        made = training_image(wide, config(None, name=name, train_size=20, keep_aspect=keep_aspect), plain, draws)
        expected = functional.pil_to_tensor(part.resize((20, 20), Image.Resampling.BICUBIC))
        # The cut square's border sees beyond it.
        assert torch.equal(made[..., 2:-2], expected[..., 2:-2])
        assert torch.equal(made, expected) or keep_aspect


def test_shifted_images_come_from_within_four_pixels_and_black(root: Path) -> None:
    keys = ("data=parquet", f"data.root={root}", "data.train_size=28", "batch=20", "data.loader=workers")
    run = resolved(*keys, "data.workers=0", "data.validation_samples=4", "augment=shift", "augment.shift=4")
    source = build_source(run, 20)
    whole = next(iter(source.evaluation_batches("train", 20)))
    batch = next(iter(source.training_batches(0, 1)))
    images = source.pixels(whole.images)
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    places = [(top, left) for top in range(9) for left in range(9)]
    candidates = {place: padded[:, :, place[0] : place[0] + 28, place[1] : place[1] + 28] for place in places}
    found = set()
    for image in source.pixels(batch.images):
        distances = {place: float((part - image).abs().amax((1, 2, 3)).min()) for place, part in candidates.items()}
        place = min(distances, key=lambda each: distances[each])
        assert distances[place] < 1e-5
        found.add(place)
    assert len(found) > 8


def test_global_random_numbers_are_left_alone(root: Path) -> None:
    keys = ("data=parquet", f"data.root={root}", "data.train_size=28", "batch=10", "data.loader=workers")
    source = build_source(resolved(*keys, "data.workers=0", "augment=paper_f6"), 10)
    before = torch.random.get_rng_state()
    assert len(list(source.training_batches(0, 3))) == 3
    assert torch.equal(torch.random.get_rng_state(), before)


def test_alternating_flips_are_for_loaders_that_know_the_first_epoch(root: Path) -> None:
    keys = ("data=parquet", f"data.root={root}", "data.train_size=28", "batch=20", "augment.alternate=true")
    assert resolved(*keys, "augment.flip=true", "data.loader=resident").config.augment.alternate
    assert resolved(*keys, "augment.flip=false", "data.loader=workers").without_effect
    with pytest.raises(UserError, match=r"augment\.alternate=true: the loader that reads images again each time"):
        resolved(*keys, "augment.flip=true", "data.loader=workers")
