"""Images are tested by one function: the same pixels from every loader, in proportion to the size."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import resolved
from tests.data.images import config
from torchvision.transforms.v2 import InterpolationMode, functional

from normfree.data import Source, build_source, transforms

NEEDS_FFCV = pytest.mark.skipif(importlib.util.find_spec("ffcv") is None, reason="ffcv is not installed: make ffcv")
SIZE = 32
COUNTS = ("data.classes=2", "data.train_samples=10", "data.test_samples=8")
SHAPES = {"square": [(48, 48)], "the size": [(32, 32)], "any": [(40, 70), (64, 33), (90, 90), (20, 25), (32, 36)]}


def write(folder: Path, shapes: list[tuple[int, int]], form: str) -> None:
    """Photographs of few waves, ``train/`` and ``val/`` with two classes of eight and four."""
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 8)):
        for number in range(count):
            place = folder / split / ("cat", "dog")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
            height, width = shapes[number % len(shapes)]
            image = coarse.resize((width, height), Image.Resampling.BICUBIC)
            image.save(place / f"{number}.{form}", **({"quality": 95} if form == "jpg" else {}))


def source(root: Path, *keys: str) -> Source:
    sizes = (f"data.train_size={SIZE}", f"data.test_size={SIZE}", "batch=4", "augment=none", "data.workers=0")
    return build_source(resolved("model=nfnet_nano", f"data.root={root}", *sizes, *keys), 4)


def pixels(made: Source, split: str) -> torch.Tensor:
    return (torch.cat([made.pixels(batch.images) for batch in made.evaluation_batches(split, 3)]) * 255).round()


@pytest.mark.parametrize("aspect", ["false", "true"])
@pytest.mark.parametrize("form", ["png", "jpg"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_all_loaders_test_the_same_pixels(tmp_path: Path, shapes: str, form: str, aspect: str) -> None:
    write(tmp_path, SHAPES[shapes], form)
    same = (f"data.keep_aspect={aspect}", "data.validation_samples=6")
    workers = source(tmp_path, "data=folder", *same, "data.loader=workers")
    resident = source(tmp_path, "data=folder", *same, "data.loader=resident")
    others = {"resident": resident}
    if importlib.util.find_spec("ffcv") is not None:
        from normfree.config.conversion import Conversion
        from normfree.data.convert import convert

        convert(Conversion(data="folder", root=str(tmp_path), out=str(tmp_path / "ffcv")))
        others["ffcv"] = source(tmp_path / "ffcv", "data=folder", *same, *COUNTS, "data.loader=ffcv")
        others["any ffcv"] = source(tmp_path / "ffcv", "data=ffcv", *same)
    for name, other in others.items():
        for split in ("validation", "test"):
            assert torch.equal(pixels(other, split), pixels(workers, split)), (name, split)
    # Training without augmentation: FFCV decodes and resizes in its own way.
    expected = torch.cat([workers.pixels(batch.images) for batch in workers.training_batches(0, 2)])
    for name, other in others.items():
        found = torch.cat([other.pixels(batch.images) for batch in other.training_batches(0, 2)])
        # In parts of 255; what has the size and lost nothing is the same.
        limit = 0.01 if name == "resident" or (shapes == "the size" and form == "png") else 6
        assert float((found - expected).abs().mean()) * 255 < limit, name


def test_images_that_have_the_size_are_tested_whole_by_every_loader(tmp_path: Path) -> None:
    """The class is in a border of two pixels alone."""
    for split in ("train", "val"):
        for name, colour in (("red", (250, 0, 0)), ("blue", (0, 0, 250))):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(6):
                image = Image.new("RGB", (SIZE, SIZE), colour)
                image.paste((90, 90, 90), (2, 2, SIZE - 2, SIZE - 2))
                image.save(tmp_path / split / name / f"{number}.png")
    for loader in ("resident", "workers"):
        made = source(tmp_path, "data=folder", f"data.loader={loader}")
        for batch in made.evaluation_batches("test", 4):
            border = made.pixels(batch.images)[:, :, 1, 1] * 255
            assert torch.equal(border[:, 0].round() == 250, batch.labels == 1)
            assert torch.equal(border[:, 2].round() == 250, batch.labels == 0)


def test_the_tested_part_is_in_proportion_and_the_papers_at_their_sizes() -> None:
    assert [round(transforms.tested_share(size) * (size + 32), 6) for size in (224, 256, 320, 576)] == [
        224,
        256,
        320,
        576,
    ]
    assert {transforms.tested_share(size) for size in (14, 32, 128, 224)} == {7 / 8}
    for size in (32, 96, 256):
        data = config(None, test_size=size)
        left, top, right, bottom = transforms.tested_box(12 * size, 8 * size, data)
        assert (right - left) / (12 * size) == pytest.approx(transforms.tested_share(size))
        assert (bottom - top) / (8 * size) == pytest.approx(transforms.tested_share(size))
        assert (left + right, top + bottom) == pytest.approx((12 * size, 8 * size))
    # No pixel that is needed at a small size is cut off, and nothing is interpolated where nothing has to be.
    assert transforms.tested_box(32, 34, config(None, test_size=32)) == (0, 1, 32, 33)
    assert transforms.tested_box(35, 32, config(None, test_size=32, keep_aspect=True)) == (1, 0, 33, 32)
    assert transforms.tested_box(20, 25, config(None, test_size=32)) == (0, 0, 20, 25)


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_photographs_are_tested_as_the_papers_test_them(keep_aspect: bool) -> None:
    """Resized to 32 px more than the size, with or without their aspect, and cropped to the centre."""
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((450, 300))
    resized = [256, 384] if keep_aspect else [256, 256]
    larger = functional.resize(functional.pil_to_tensor(image), resized, InterpolationMode.BICUBIC, antialias=True)
    expected = functional.center_crop(larger, [224, 224]).int()
    found = transforms.tested_image(image, config(None, test_size=224, keep_aspect=keep_aspect)).int()
    assert (found - expected).abs().max() <= 2
    assert float((found - expected).abs().float().mean()) < 0.5
