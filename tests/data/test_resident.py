import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from normfree.config.schema import AugmentConfig
from normfree.data.resident import ResidentSource, random_shift

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
    image = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    down_right = random_shift(image, 1, torch.tensor([[0.0, 0.0]]), fill=torch.tensor(-1.0))
    assert down_right[0, 0].tolist() == [[-1, -1, -1], [-1, 1, 2], [-1, 4, 5]]
    unmoved = random_shift(image, 1, torch.tensor([[0.5, 0.5]]), fill=torch.tensor(-1.0))
    assert torch.equal(unmoved, image)


def test_shifts_of_grey_and_colour_images_agree() -> None:
    images = torch.rand(5, 3, 6, 6)
    draws = torch.rand(5, 2)
    colour = random_shift(images, 2, draws, fill=torch.tensor(0.0))
    grey = torch.cat([random_shift(images[:, c : c + 1], 2, draws, fill=torch.tensor(0.0)) for c in range(3)], 1)
    assert torch.equal(colour, grey)
