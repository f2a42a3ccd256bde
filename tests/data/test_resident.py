import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional

from normfree.config.schema import AugmentConfig
from normfree.data.augment import epoch_draws
from normfree.data.crops import CROP_DRAWS, erase, resized_crop, shift_and_flip
from normfree.data.resident import ResidentSource

TRAIN, PER_EPOCH, MICRO = 60, 5, 11
IMAGES = torch.randint(0, 256, (TRAIN, 3, 6, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
ARRAYS = {split: (IMAGES, torch.arange(TRAIN)) for split in ("train", "validation", "test")}


def source(seed: int = 0, shift: int = 1, flip: bool = True) -> ResidentSource:
    augment = AugmentConfig(name="test", shift=shift, flip=flip)
    return ResidentSource(ARRAYS, TRAIN, augment, seed, MICRO, PER_EPOCH)


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 14), stop=st.integers(0, 15))
def test_a_batch_depends_on_the_seed_and_its_number_alone(start: int, stop: int) -> None:
    whole = list(source().training_batches(0, 15))
    part = list(source().training_batches(start, stop))
    assert len(part) == max(0, stop - start)
    for one, other in zip(part, whole[start:stop], strict=False):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_a_resumed_run_gets_the_very_images_with_every_part_on() -> None:
    augment = AugmentConfig(
        name="all", shift=1, random_resized_crop=True, flip=True, erasing=0.5, mixup=0.2, cutmix=1.0,
        randaugment_layers=2, magnitude=7,
    )  # fmt: skip
    for mix_first in (False, True):
        augment.mix_first = mix_first
        made = ResidentSource(ARRAYS, TRAIN, augment, 5, MICRO, PER_EPOCH)
        whole, part = list(made.training_batches(0, 12)), list(made.training_batches(7, 12))
        for one, other in zip(part, whole[7:], strict=True):
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.labels, other.labels)
        assert not torch.equal(whole[0].images, whole[5].images)


def test_one_pass_takes_every_image_at_most_once_and_the_next_is_another_order() -> None:
    labels = [batch.labels for batch in source().training_batches(0, 2 * PER_EPOCH)]
    first, second = torch.cat(labels[:PER_EPOCH]), torch.cat(labels[PER_EPOCH:])
    assert len(first.unique()) == len(first) == PER_EPOCH * MICRO
    assert not torch.equal(first, second)


def test_seeds_differ() -> None:
    one, other = (next(iter(source(seed).training_batches(0, 1))).labels for seed in (0, 1))
    assert not torch.equal(one, other)


def test_evaluation_gives_every_image_once_unchanged() -> None:
    batches = list(source().evaluation_batches("test", 7))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), torch.arange(TRAIN))
    images = torch.cat([batch.images for batch in batches])
    torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(images.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_without_augmentation_the_images_are_the_evaluated_ones() -> None:
    plain = source(shift=0, flip=False)
    evaluated = next(iter(plain.evaluation_batches("train", TRAIN)))
    batch = next(iter(plain.training_batches(0, 1)))
    assert torch.equal(batch.images, evaluated.images[batch.labels])


def test_a_shift_moves_whole_pixels_and_fills_the_border() -> None:
    image = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3)
    still = torch.tensor([False])
    down_right = shift_and_flip(image, 1, torch.tensor([[0.0, 0.0]]), still)
    assert down_right[0, 0].tolist() == [[0, 0, 0], [0, 1, 2], [0, 4, 5]]
    assert torch.equal(shift_and_flip(image, 1, torch.tensor([[0.5, 0.5]]), still), image)
    mirrored = shift_and_flip(image, 1, torch.tensor([[0.0, 0.0]]), ~still)
    assert mirrored[0, 0].tolist() == [[0, 0, 0], [0, 3, 2], [0, 6, 5]]


def test_shift_and_flip_are_torchvisions_crop_of_the_padded_image() -> None:
    draws = torch.rand(TRAIN, 3, generator=torch.Generator().manual_seed(1))
    moved = shift_and_flip(IMAGES, 2, draws[:, :2], draws[:, 2] < 0.5)
    for image, draw, found in zip(IMAGES, draws, moved, strict=True):
        turned = functional.horizontal_flip(image) if draw[2] < 0.5 else image
        top, left = (draw[:2] * 5).int().tolist()
        assert torch.equal(found, functional.crop(functional.pad(turned, [2]), top, left, 6, 6))


def test_every_shift_comes_about_as_often() -> None:
    draws = torch.rand(9000, 2, generator=torch.Generator().manual_seed(1))
    image = torch.zeros(9000, 1, 5, 5, dtype=torch.uint8)
    image[:, 0, 2, 2] = 255
    moved = shift_and_flip(image, 1, draws, torch.zeros(9000, dtype=torch.bool))
    counts = (moved[:, 0, 1:4, 1:4] > 0).sum(0)
    assert int(counts.sum()) == 9000
    assert int(counts.min()) > 850


def test_erasing_takes_a_rectangle_of_some_images() -> None:
    count = 4000
    images = torch.ones(count, 3, 32, 32)
    erase(images, 0.4, torch.rand(count, 5, generator=torch.Generator().manual_seed(2)))
    gone = images[:, 0] == 0
    assert torch.equal(gone, images[:, 2] == 0)
    hit = gone.flatten(1).any(1)
    assert abs(float(hit.float().mean()) - 0.4) < 0.03
    rows, columns = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(rows * columns, gone.sum((1, 2)))
    area = gone[hit].float().mean((1, 2))
    assert float(area.min()) > 0.01
    assert float(area.max()) < 0.36
    assert abs(float(area.mean()) - 0.175) < 0.02


def test_resized_crops_are_those_of_an_interpolation() -> None:
    images = torch.randint(0, 256, (200, 3, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    # A smooth image, so that what lies beyond a crop's border changes little inside.
    images = torch.nn.functional.avg_pool2d(images.float(), 5, 1, 2).to(torch.uint8)
    draws = torch.rand(200, CROP_DRAWS, generator=torch.Generator().manual_seed(1))
    draws[:, :10] = draws[:, :1]  # one area and one aspect, so that the first attempt or the whole image is taken
    draws[:, 10:20] = draws[:, 10:11]
    flipped = draws[:, 3] < 0.5
    found = resized_crop(images, draws, flipped)
    areas = []
    for image, draw, flip, crop in zip(images, draws, flipped, found, strict=True):
        area = (0.08 + float(draw[0]) * 0.92) * 400
        aspect = math.exp(math.log(3 / 4) + float(draw[10]) * 2 * math.log(4 / 3))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if width > 20 or height > 20:
            width = height = 20
        top, left = int(draw[20] * (21 - height)), int(draw[21] * (21 - width))
        areas.append(width * height / 400)
        part = image[None, :, top : top + height, left : left + width].float()
        expected = torch.nn.functional.interpolate(part, (20, 20), mode="bicubic")[0].round().clamp(0, 255)
        expected = expected.flip(-1) if flip else expected
        # Within the border of two pixels of the crop, the two read the same pixels.
        assert float((crop.float() - expected)[:, 7:-7, 7:-7].abs().max()) <= 1
    assert 0.4 < sum(areas) / 200 < 0.7


def test_given_statistics_are_used() -> None:
    plain = AugmentConfig(name="none")
    given = ResidentSource(ARRAYS, TRAIN, plain, 0, MICRO, PER_EPOCH, mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.4])
    images = next(iter(given.evaluation_batches("test", TRAIN))).images
    expected = functional.normalize(IMAGES.float() / 255, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    torch.testing.assert_close(images, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_is_not_waited_for(no_waiting: Callable[[], AbstractContextManager[None]]) -> None:
    augment = AugmentConfig(name="x", shift=1, flip=True, erasing=0.5, mixup=0.2, cutmix=1.0)
    source = ResidentSource(ARRAYS, TRAIN, augment, 0, MICRO, PER_EPOCH, device=torch.device("cuda"))
    with no_waiting():
        assert len(list(source.training_batches(0, 7))) == 7


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_images() -> None:
    augment = AugmentConfig(name="x", shift=1, flip=True, erasing=0.5, mixup=0.2, cutmix=1.0)
    on_processor = ResidentSource(ARRAYS, TRAIN, augment, 0, MICRO, PER_EPOCH)
    on_gpu = ResidentSource(ARRAYS, TRAIN, augment, 0, MICRO, PER_EPOCH, device=torch.device("cuda"))
    for one, other in zip(on_processor.training_batches(0, 7), on_gpu.training_batches(0, 7), strict=True):
        assert other.images.is_cuda
        torch.testing.assert_close(one.images, other.images.cpu())
        torch.testing.assert_close(one.labels, other.labels)


@pytest.mark.parametrize("samples", [1, 60])
def test_alternating_images_are_mirrored_in_every_other_epoch(samples: int) -> None:
    augment = AugmentConfig(name="own", flip=True, alternate=True)
    mirrored = [epoch_draws(samples, augment, 3, epoch)["shift"][:, 2] < 0.5 for epoch in range(4)]
    by_chance = epoch_draws(samples, AugmentConfig(name="own", flip=True), 3, 0)["shift"]
    assert torch.equal(mirrored[0], by_chance[:, 2] < 0.5)
    assert torch.equal(mirrored[1], ~mirrored[0])
    assert torch.equal(mirrored[2], mirrored[0])
    assert torch.equal(mirrored[3], mirrored[1])
    moved = epoch_draws(samples, augment, 3, 0)["shift"][:, :2]
    assert torch.equal(moved, by_chance[:, :2])
