"""What a plan says of reading is of images that it reads, where a run reads them each time."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from normfree.config import Resolved
from normfree.train import reading_time
from normfree.train.plan import describe_plan
from normfree.train.reading_time import seconds_of_an_image, seconds_of_reading

Tiny = Callable[..., Resolved]


@pytest.fixture
def folder(tmp_path: Path) -> tuple[str, ...]:
    pixels = np.random.default_rng(0)
    for split, count in (("train", 50), ("val", 5)):
        for name in ("a", "b"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for number in range(count):
                image = Image.fromarray(pixels.integers(0, 255, (8, 8, 3), dtype=np.uint8))
                image.save(tmp_path / "images" / split / name / f"{number}.png")
    return "data=folder", f"data.root={tmp_path}/images", "data.test_size=7"


def test_images_in_files_are_read(folder: tuple[str, ...], tiny: Tiny) -> None:
    run = tiny(*folder)
    state = torch.get_rng_state(), random.getstate()
    an_image = seconds_of_an_image(run)
    assert an_image is not None
    assert 0 < an_image < 1
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    said = "of reading and augmenting images beside them; an estimate from 3 steps on 50 images, and 32 images read"
    assert said in describe_plan(run)


def test_sets_in_memory_and_those_that_are_not_here_are_not(folder: tuple[str, ...], tiny: Tiny) -> None:
    for run in (tiny(), tiny(*folder, "data.loader=resident"), tiny("data=cifar10", "data.train_size=32")):
        assert seconds_of_an_image(run) is None
    assert seconds_of_reading(tiny(), None, 1.0, False) == 0
    assert "without reading and augmenting images" in describe_plan(tiny())


def test_beside_a_gpu_workers_read_while_it_computes(
    folder: tuple[str, ...], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_time, "cores", lambda: 4)
    run = tiny(*folder, "data.workers=2")
    images = 8 * 50 + 10 + run.config.data.validation_samples
    assert seconds_of_reading(run, 0.1, 3.0, on_gpu=False) == pytest.approx(images * 0.1 / 2)
    assert seconds_of_reading(run, 0.1, 3.0, on_gpu=True) == pytest.approx(images * 0.1 / 2 - 3)
    assert seconds_of_reading(run, 0.1, 300.0, on_gpu=True) == 0
    assert seconds_of_reading(tiny(*folder, "data.workers=16"), 0.1, 3.0, on_gpu=False) == pytest.approx(
        images * 0.1 / 4
    )
