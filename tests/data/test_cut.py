"""The images of a step do not depend on how its batch is cut into micro batches, with every loader."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.conftest import resolved

from normfree.config.schema import AugmentConfig
from normfree.data import Batch, build_source
from normfree.data.cut import Cut

NEEDS_FFCV = pytest.mark.skipif(importlib.util.find_spec("ffcv") is None, reason="ffcv is not installed: make ffcv")
BATCH = 12


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 training images of many sizes in two classes, and the same as a .beton file."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for split, count in (("train", 30), ("val", 4)):
        for number in range(count):
            place = folder / split / ("cat", "dog")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            height, width = random.integers(40, 90, 2)
            coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            coarse.resize((int(width), int(height))).save(place / f"{number}.png")
    if importlib.util.find_spec("ffcv") is not None:
        from normfree.config.conversion import Conversion
        from normfree.data.convert import convert

        convert(Conversion(data="folder", root=str(folder), out=str(folder)))
    return folder


def batches(root: Path, loader: str, augment: str, micro: int) -> list[Batch]:
    """Of two epochs of two steps, those of a step put together."""
    data = "data=ffcv" if loader == "ffcv" else "data=folder"
    sizes = ("data.train_size=40", "data.test_size=40", "data.validation_samples=2", f"batch={BATCH}", "data.workers=0")
    run = resolved("model=nfnet_nano", data, f"data.root={root}", f"data.loader={loader}", *sizes, f"augment={augment}")
    parts = list(build_source(run, micro).training_batches(0, 4 * BATCH // micro))
    steps = [parts[first : first + BATCH // micro] for first in range(0, len(parts), BATCH // micro)]
    return [Batch(*(torch.cat(each) for each in zip(*step, strict=True))) for step in steps]


@pytest.mark.parametrize("augment", ["cutmix_mixup", "strong", "paper_f1"])
@pytest.mark.parametrize("loader", ["resident", "workers", pytest.param("ffcv", marks=NEEDS_FFCV)])
def test_every_cut_has_the_images_of_the_whole_batch(photographs: Path, loader: str, augment: str) -> None:
    whole = batches(photographs, loader, augment, BATCH)
    assert not torch.equal(whole[0].images, whole[1].images)
    for micro in (6, 3, 1):
        for one, other in zip(batches(photographs, loader, augment, micro), whole, strict=True):
            assert torch.equal(one.labels, other.labels)
            assert torch.equal(one.images, other.images), (micro, float((one.images - other.images).abs().max()))


def test_nothing_is_read_twice_where_a_micro_batch_is_even_or_the_batch() -> None:
    mixed = AugmentConfig("x", mixup=0.2, cutmix=1.0)
    for micro, parts, most in ((12, 1, 12), (6, 2, 6), (3, 4, 4), (1, 12, 2), (5, 1, 5)):
        cut = Cut(micro, parts, 3 * parts, mixed, 0)
        readings = [cut.reading(number) for number in range(2 * parts)]
        assert {len(reading.places) for reading in readings} == {most} == {cut.most}
        own = torch.cat([reading.places[: reading.own] for reading in readings])
        assert torch.equal(own, torch.arange(2 * parts * micro))
    assert Cut(3, 4, 12, AugmentConfig("x"), 0).most == 3
