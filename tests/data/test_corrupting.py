"""Corruptions: nothing at strength 0, the same for the same image, worse with strength, of any size and colour."""

import numpy as np
import pytest
import torch

from normfree.data.corrupting import LARGE, SMALL, STRENGTHS, Corrupted, corruptions
from normfree.data.corrupting.blur import disk, shuffled
from normfree.data.corrupting.weather import plasma
from normfree.data.mnist5k import mnist5k
from normfree.evaluate.evaluators.shift import Mirrored, Moved


def digits(side: int = 28, channels: int = 1, count: int = 6) -> torch.Tensor:
    images = mnist5k(28)["test"][0][:count].float()
    grown = torch.nn.functional.interpolate(images, side, mode="bilinear").round().to(torch.uint8)
    return grown.expand(-1, channels, -1, -1).contiguous()


@pytest.mark.parametrize("name", corruptions())
def test_strength_0_is_the_clean_image(name: str) -> None:
    images = digits()
    assert torch.equal(Corrupted(name, 0)(images, range(6)), images)


@pytest.mark.parametrize("name", corruptions())
def test_an_image_is_the_same_in_whatever_batch(name: str) -> None:
    images = digits(channels=3)
    whole = Corrupted(name, 4)(images, range(6))
    parts = [Corrupted(name, 4)(images[rank::2], range(rank, 6, 2)) for rank in (0, 1)]
    assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)
    assert (whole.dtype, whole.shape) == (torch.uint8, images.shape)


@pytest.mark.parametrize("name", corruptions())
def test_images_go_further_from_the_clean_one_with_strength(name: str) -> None:
    for side in (SMALL, LARGE):
        images = digits(side, count=4)
        if name == "brightness":
            images = images // 2  # where there is room
        distances = [
            float((Corrupted(name, strength)(images, range(4)).float() - images.float()).abs().mean())
            for strength in STRENGTHS
        ]
        # Of elastic transformations the published first ones bend the whole image and the last ones crumple it.
        assert distances[0] < distances[-1] or name == "elastic", (side, distances)
        assert min(distances[0] if name == "elastic" else np.inf, distances[-1]) > 0.5, (side, distances)


@pytest.mark.parametrize("side", [7, 28, 50, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_colour(side: int, channels: int) -> None:
    images = digits(side, channels, 1)
    for name in corruptions():
        assert Corrupted(name, 5)(images, [3]).shape == images.shape, name


def test_each_kind_is_what_it_says() -> None:
    grey = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    assert torch.equal(Corrupted("contrast", 5)(grey, [0]), grey)
    assert Corrupted("brightness", 5)(grey, [0]).unique().tolist() == [round(128 + 0.3 * 255)]
    noisy = Corrupted("gaussian_noise", 5)(grey, [0]).float()
    assert float(noisy.std()) / 255 == pytest.approx(0.10, rel=0.05)
    shot = Corrupted("shot_noise", 5)(grey, [0]).float()
    assert float(shot.std()) / 255 == pytest.approx((128 / 255 / 50) ** 0.5, rel=0.05)
    struck = Corrupted("impulse_noise", 5)(grey, [0])
    assert float((struck != 128).float().mean()) == pytest.approx(0.07, abs=0.02)
    assert set(struck.unique().tolist()) == {0, 128, 255}
    for name in ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "elastic", "pixelate"):
        assert (Corrupted(name, 5)(grey, [0]).int() - 128).abs().max() <= 1, name


def test_a_disk_is_round_and_weighs_one() -> None:
    kernel = disk(4.0, 0.5)
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel, kernel.T)
    np.testing.assert_allclose(kernel, kernel[::-1])
    assert (disk(0.3, 0.4) > 0.01).sum() == 5


@pytest.mark.parametrize(("side", "reach", "times"), [(9, 1, 2), (20, 3, 2), (4, 2, 1)])
def test_points_show_others_one_after_another(side: int, reach: int, times: int) -> None:
    moves = np.random.default_rng(5)
    plain = list(range(side * side))
    for _ in range(times):
        inner = range(side - reach, reach, -1)
        drawn = moves.integers(-reach, reach, (len(inner), len(inner), 2))
        for i, row in enumerate(inner):
            for j, column in enumerate(inner):
                down, right = drawn[i, j]
                plain[row * side + column] = plain[(row + down) * side + column + right]
    assert shuffled(side, reach, times, np.random.default_rng(5)).tolist() == plain
    assert side < 9 or plain != list(range(side * side))


def test_an_elastic_image_is_the_affine_map_of_three_points_and_then_displaced() -> None:
    """A map that moves the three points alike moves all of the image so."""

    class Alike:
        def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, 2.0) if shape == (3, 2) else np.zeros(shape)

    pixels = np.random.default_rng(0).random((16, 16, 3))
    moved = corruptions()["elastic"].apply(pixels, (1, 2, 3), 1.0, Alike())  # type: ignore[arg-type]
    np.testing.assert_allclose(moved[2:, 2:], pixels[:-2, :-2], atol=1e-12)


def test_snow_whitens_and_falls_on_both_sides() -> None:
    dark = torch.full((1, 3, 64, 64), 60, dtype=torch.uint8)
    least, most = (Corrupted("snow", strength)(dark, [0]).float() for strength in (1, 5))
    assert 60 < float(least.mean()) < float(most.mean())
    assert float(least.std()) > 0
    kept = {strength: constants[6] for strength, constants in zip(STRENGTHS, corruptions()["snow"].small, strict=True)}
    # Where no flake is, only whitened: grey * 1.5 + 0.5 in the share that is not kept.
    assert float(least.min()) == pytest.approx(kept[1] * 60 + (1 - kept[1]) * (60 * 1.5 + 127.5), abs=1)


def test_clouds_fill_their_range_and_are_rougher_with_less_decay() -> None:
    def roughness(decay: float) -> float:
        clouds = plasma(64, decay, np.random.default_rng(0))
        assert (clouds.min(), clouds.max()) == (0, 1)
        return float(np.abs(np.diff(clouds, axis=0)).mean())

    assert roughness(1.5) > roughness(3)


def test_moved_pixels_are_where_they_are_said_to_be() -> None:
    images = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    right = Moved(0, 1)(images, [0])
    assert torch.equal(right[..., 1:], images[..., :-1])
    assert torch.equal(right[..., 0], images[..., 0])
    assert torch.equal(Moved(-2, 0)(images, [0])[:, :, :2], images[:, :, 2:])
    assert torch.equal(Mirrored()(Mirrored()(images, [0]), [0]), images)
