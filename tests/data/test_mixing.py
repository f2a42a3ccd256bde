import pytest
import torch

from normfree.config.schema import AugmentConfig
from normfree.data.mixing import draw_mixing, mix

COUNT = 400
LABELS = torch.arange(COUNT)
IMAGES = LABELS.float().view(-1, 1, 1, 1).expand(-1, 3, 16, 12).contiguous()
"""Every pixel of an image is its number, so that a mixed pixel tells which images it came from."""


def mixed(seed: int = 0, **parts: float) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    drawn = draw_mixing(COUNT, AugmentConfig(name="x", **parts), stream)  # type: ignore[arg-type]
    batch = mix(IMAGES, LABELS, COUNT, drawn, LABELS, COUNT)
    return batch.images, batch.labels


def test_shares_of_classes_are_shares_of_pixels() -> None:
    for parts in ({"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}):
        images, shares = mixed(**parts)
        torch.testing.assert_close(shares.sum(1), torch.ones(COUNT))
        # The mean pixel is the mean number of the images that it was mixed from.
        torch.testing.assert_close(images.mean((1, 2, 3)), shares @ LABELS.float(), rtol=1e-4, atol=1e-2)


def test_mixup_blends_whole_images_and_cutmix_pastes_one_box() -> None:
    images, shares = mixed(mixup=1.0, cutmix=1.0)
    first = LABELS // 2 % 2 == 0
    blended, pasted = images[first], images[~first]
    assert torch.equal(blended.amax((1, 2, 3)), blended.amin((1, 2, 3)))
    own = LABELS[~first].view(-1, 1, 1)
    foreign = (pasted != own[:, None]).any(1)
    rows, columns = foreign.any(2).sum(1), foreign.any(1).sum(1)
    assert torch.equal(foreign.sum((1, 2)), rows * columns)
    assert all(len(image.unique()) <= 2 for image in pasted)
    assert 0.3 < float(shares[LABELS, LABELS].mean()) < 0.8


def test_the_draws_are_betas() -> None:
    # Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)).
    for alpha in (0.2, 1.0):
        own = torch.cat([mixed(seed, mixup=alpha)[1][LABELS, LABELS] for seed in range(10)])
        assert abs(float(own.mean()) - 0.5) < 0.03
        assert abs(float(own.var()) - 1 / (4 * (2 * alpha + 1))) < 0.02


def test_the_share_that_cutmix_takes_follows_its_draw() -> None:
    # With uniform draws, the mean area of a box is 1/2 before it is cut at the border, and below that after.
    own = torch.cat([mixed(seed, cutmix=1.0)[1][LABELS, LABELS] for seed in range(10)])
    assert 0.6 < float(own.mean()) < 0.75


def test_streams_decide_and_nothing_else() -> None:
    assert all(torch.equal(one, other) for one, other in zip(mixed(3, mixup=0.2), mixed(3, mixup=0.2), strict=True))
    assert not torch.equal(mixed(3, mixup=0.2)[0], mixed(4, mixup=0.2)[0])
    assert draw_mixing(COUNT, AugmentConfig(name="none"), torch.Generator()) is None
    assert torch.equal(mix(IMAGES, LABELS, COUNT, None, LABELS, COUNT).labels, LABELS)


@pytest.mark.parametrize("batch", [1, 2, 12, 15])
@pytest.mark.parametrize("parts", [{"mixup": 0.2}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}])
def test_a_cut_batch_is_mixed_as_the_whole_one(batch: int, parts: dict[str, float]) -> None:
    drawn = draw_mixing(batch, AugmentConfig(name="x", **parts), torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    assert drawn is not None
    numbers = torch.arange(batch)
    whole = mix(IMAGES[:batch], LABELS[:batch], COUNT, drawn, numbers, batch)
    if batch > 1:
        # Every image is mixed with another, and is somebody's partner.
        assert (drawn.partner != numbers).all()
        assert not torch.equal(whole.images, IMAGES[:batch])
    for size in (size for size in range(1, batch + 1) if batch % size == 0):
        for own in numbers.split(size):
            members = drawn.members(own)
            # One more image at most is read, and none where a micro batch is even or the batch.
            assert len(members) - size == (size % 2 if size < batch else 0)
            part = mix(IMAGES[members], LABELS[members], COUNT, drawn, members, size)
            assert torch.equal(part.images, whole.images[own])
            assert torch.equal(part.labels, whole.labels[own])
