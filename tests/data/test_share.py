"""Every loader, and all ranks together, give the same images in the same order, and test each once."""

import importlib.util
import warnings
from itertools import product
from pathlib import Path

import pytest
import torch
from tests.conftest import resolved
from tests.data.images import digits_as_parquet

from normfree.data import Batch, Share, Source, build_source
from normfree.data.source import SPLITS

NEEDS_FFCV = pytest.mark.skipif(importlib.util.find_spec("ffcv") is None, reason="ffcv is not installed: make ffcv")
FFCV = pytest.param("ffcv", 3, marks=NEEDS_FFCV)
MICRO, BATCH = 3, 18


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 training and 7 test images as parquet and, where FFCV is there, as .beton files."""
    folder = digits_as_parquet(tmp_path_factory.mktemp("digits"), test=7)
    if importlib.util.find_spec("ffcv") is not None:
        from normfree.config.conversion import Conversion
        from normfree.data.convert import convert

        convert(Conversion(data="parquet", root=str(folder), out=str(folder)))
    return folder


def source(digits: Path, loader: str, share: Share, augment: str) -> Source:
    """20 training images: a pass of one batch of 18, two left over."""
    keys = ("data=parquet", f"data.root={digits}", "data.train_size=28", "data.validation_samples=4", f"batch={BATCH}")
    run = resolved(*keys, f"data.loader={loader}", "data.workers=0", f"augment={augment}")
    return build_source(run, MICRO, share=share)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


@pytest.mark.parametrize(("loader", "world"), [*product(("resident", "workers"), (2, 3, 6)), FFCV])
def test_ranks_train_on_the_very_batches_of_one_process(digits: Path, loader: str, world: int) -> None:
    augment = "cutmix_mixup" if loader == "resident" else "paper_f1"
    alone = list(source(digits, loader, Share(), augment).training_batches(0, 3 * BATCH // MICRO))
    assert not same(alone[0], alone[BATCH // MICRO])
    each = len(alone) // world
    for rank in range(world):
        own = list(source(digits, loader, Share(rank, world), augment).training_batches(0, each))
        assert all(same(one, other) for one, other in zip(own, alone[rank::world], strict=True))
        resumed = source(digits, loader, Share(rank, world), augment).training_batches(1, each)
        assert all(same(one, other) for one, other in zip(resumed, own[1:], strict=True))


@pytest.mark.parametrize(("loader", "world"), [*product(("resident", "workers"), (2, 3, 9)), FFCV])
def test_ranks_test_every_image_once(digits: Path, loader: str, world: int) -> None:
    for split in SPLITS:
        alone = images_of(source(digits, loader, Share(), "none"), split)
        seen: list[bytes] = []
        for rank in range(world):
            made = source(digits, loader, Share(rank, world), "none")
            own = images_of(made, split)
            assert len(own) == made.share_size(split)
            assert made.size(split) == len(alone)
            seen += own
        assert sorted(seen) == sorted(alone)
        assert len(set(alone)) == len(alone)


@pytest.mark.parametrize("loader", ["workers", pytest.param("ffcv", marks=NEEDS_FFCV)])
def test_every_loader_gives_the_same_images_in_the_same_order(digits: Path, loader: str) -> None:
    held, read = (source(digits, name, Share(), "none") for name in ("resident", loader))
    # Two passes; images decoded from JPEG by another decoder are less than 0.1 standard deviations apart.
    batches = list(zip(*(made.training_batches(0, 2 * BATCH // MICRO) for made in (held, read)), strict=True))
    for one, other in batches:
        assert torch.equal(one.labels, other.labels)
        assert float((one.images - other.images).abs().mean()) < 0.1
    first, last = (batch.images for batch in (batches[0][0], batches[-1][0]))
    assert float((first - last).abs().mean()) > 0.3
    for split in ("train", "validation"):
        for one, other in zip(held.evaluation_batches(split, 3), read.evaluation_batches(split, 3), strict=True):
            assert torch.equal(one.labels, other.labels)
            assert float((one.images - other.images).abs().mean()) < 0.1


def images_of(made: Source, split: str) -> list[bytes]:
    return [image.numpy().tobytes() for batch in made.evaluation_batches(split, 2) for image in batch.images]


def test_an_unreadable_image_is_of_one_rank_alone(damaged: Path) -> None:
    keys = ("data=parquet", f"data.root={damaged}", "data.train_size=28", "batch=10", "augment=none")
    run = resolved(*keys, "data.loader=workers", "data.workers=0", "data.on_error=skip")
    counted, left_out = [], 0
    for rank in range(2):
        made = build_source(run, 5, share=Share(rank, 2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            counted += [sum(len(batch.labels) for batch in made.evaluation_batches("train", 4))]
        assert counted[rank] == made.share_size("train")
        left_out += made.skipped()["train"]
    assert left_out > 0
    assert sum(counted) + left_out == run.config.data.train_samples


@pytest.mark.parametrize("share", [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_is_one_of_its_world(share: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"rank {share[0]} of {share[1]}"):
        Share(*share)
