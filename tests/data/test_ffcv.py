"""FFCV's loader behind our interface: the images of the other loaders, reproducible, resumable, each once."""

import importlib.util
import shutil
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import resolved
from tests.data.images import digits_as_parquet

from normfree.config import UserError, require_images
from normfree.config.sources.beton_file import read_beton
from normfree.data import Batch, Source, build_source

NEEDS_FFCV = pytest.mark.skipif(importlib.util.find_spec("ffcv") is None, reason="ffcv is not installed: make ffcv")
SAME = ("data=mnist5k", "batch=50")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST-5k as .beton files, its pixels kept."""
    from normfree.config.conversion import Conversion
    from normfree.data.convert import convert

    folder = tmp_path_factory.mktemp("digits")
    convert(Conversion(data="mnist5k", out=str(folder)))
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEG files of many sizes and aspects as .beton files, beside the folders that they come from."""
    from PIL import Image

    from normfree.config.conversion import Conversion
    from normfree.data.convert import convert

    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for split, count in (("train", 14), ("val", 7)):
        for number in range(count):
            place = folder / split / ("cat", "dog")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            height, width = random.integers(40, 90, 2)
            coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
            coarse.resize((int(width), int(height))).save(place / f"{number}.jpg", quality=95)
    convert(Conversion(data="folder", root=str(folder), out=str(folder)))
    return folder


def source(*overrides: str, micro_batch: int = 50) -> Source:
    return build_source(resolved("model=nfnet_nano", *overrides), micro_batch)


def same(one: Iterator[Batch], other: Iterator[Batch], tolerance: float = 0.0) -> bool:
    """Labels equal, and images within ``tolerance`` on average."""
    return all(
        torch.equal(a.labels, b.labels) and float((a.images - b.images).abs().mean()) <= tolerance
        for a, b in zip(one, other, strict=True)
    )


@NEEDS_FFCV
@pytest.mark.parametrize("augment", [("augment=none",), ("augment=shift", "augment.flip=true")])
def test_images_are_those_of_the_set_in_memory(digits: Path, augment: tuple[str, ...]) -> None:
    held = source(*SAME, *augment)
    read = source(*SAME, *augment, "data.loader=ffcv", f"data.root={digits}", "data.workers=2")
    assert same(read.training_batches(68, 73), held.training_batches(68, 73), 1e-6)
    for split in ("validation", "test"):
        assert same(read.evaluation_batches(split, 77), held.evaluation_batches(split, 77), 1e-6)
        assert sum(len(batch.labels) for batch in read.evaluation_batches(split, 77)) == held.size(split)


@NEEDS_FFCV
def test_jpeg_files_come_out_as_the_workers_read_them(photographs: Path) -> None:
    sizes = ("data.train_size=32", "data.test_size=32", "batch=4", "augment=none", f"data.root={photographs}")
    read, workers = (
        source("data=ffcv", *sizes, micro_batch=4),
        source("data=folder", *sizes, "data.workers=0", micro_batch=4),
    )
    # Another decoder and another interpolation: less than 0.1 standard deviations of the pixels apart.
    assert same(read.evaluation_batches("test", 4), workers.evaluation_batches("test", 4), 0.1)
    ours, theirs = (
        torch.cat([batch.images for batch in each.evaluation_batches(split, 4)])
        for split in ("train",)
        for each in (read, workers)
    )
    distances = (ours[:, None] - theirs[None]).abs().mean((2, 3, 4))
    assert distances.min(1).values.max() < 0.1
    assert sorted(distances.argmin(1).tolist()) == list(range(len(theirs)))


@NEEDS_FFCV
def test_a_sample_depends_on_seed_epoch_and_image_alone(photographs: Path) -> None:
    keys = ("data=ffcv", f"data.root={photographs}", "data.train_size=32", "data.test_size=32", "augment=paper_f1")
    whole = list(source(*keys, "batch=4", "data.workers=2", micro_batch=4).training_batches(0, 7))
    resumed = source(*keys, "batch=4", "data.workers=1", micro_batch=4).training_batches(4, 7)
    assert same(resumed, iter(whole[4:]))
    other = next(iter(source(*keys, "batch=4", "seed=1", micro_batch=4).training_batches(0, 1)))
    assert not torch.equal(other.images, whole[0].images)
    assert not torch.equal(whole[0].images, whole[3].images)


@NEEDS_FFCV
def test_cropped_images_are_parts_of_their_image(photographs: Path) -> None:
    from normfree.data.ffcv_loader import BetonLoader, Boxes, whole

    file = read_beton(photographs / "train.beton")
    count = len(file.labels)
    order = np.arange(count)
    full = np.concatenate([images.copy() for images, _ in BetonLoader(file, 16, 5, 2).batches(order, whole(file))])
    rows, columns = file.images["height"] // 2, file.images["width"] // 2
    top, left = file.images["height"] - rows, np.zeros(count, np.int64)
    corner = Boxes(top, left, rows, columns, np.ones(count, bool))
    part = np.concatenate([images.copy() for images, _ in BetonLoader(file, 8, 5, 1).batches(order, corner)])
    expected = full[:, 8:, :8][:, :, ::-1]
    assert np.abs(part.astype(int) - expected).mean() < 6  # odd sides are cut half a pixel off
    assert np.abs(part[:, :, ::-1].astype(int) - expected).mean() > 12


@NEEDS_FFCV
def test_leaving_an_epoch_ends_its_thread_and_torch_keeps_its_threads(digits: Path) -> None:
    torch_threads = torch.get_num_threads()
    read = source(*SAME, "augment=none", "data.loader=ffcv", f"data.root={digits}")
    before = threading.active_count()
    for _ in read.training_batches(0, 70):
        break
    for _ in read.training_batches(0, 2):  # validation in the middle of an epoch
        assert sum(len(batch.labels) for batch in read.evaluation_batches("validation", 100)) == 500
    assert threading.active_count() == before
    assert torch.get_num_threads() == torch_threads


@NEEDS_FFCV
def test_damaged_bytes_of_an_image_are_named(photographs: Path, tmp_path: Path) -> None:
    path = tmp_path / "train.beton"
    shutil.copy(photographs / "train.beton", path)
    file = read_beton(path)
    with path.open("r+b") as stream:
        stream.seek(int(file.images["data_ptr"][3]) + 2)
        stream.write(bytes(200))
    read = source(
        "data=ffcv", f"data.root={tmp_path}", "data.train_size=16", "data.test_size=16", "batch=4", micro_batch=4
    )
    with pytest.raises(UserError, match=r"train\.beton, image 3: damaged"):
        list(chain(*(read.evaluation_batches(split, 4) for split in ("train", "validation", "test"))))


@NEEDS_FFCV
def test_ffcv_s_own_files_are_read(tmp_path: Path) -> None:
    ffcv_loader = pytest.importorskip("normfree.data.ffcv_loader")
    from ffcv.fields import IntField, RGBImageField
    from ffcv.writer import DatasetWriter

    images = np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3), dtype=np.uint8)
    fields = {"label": IntField(), "picture": RGBImageField(write_mode="raw")}
    DatasetWriter(str(tmp_path / "train.beton"), fields, num_workers=1).from_indexed_dataset(
        [(number, image) for number, image in enumerate(images)]
    )
    file = read_beton(tmp_path / "train.beton")
    assert file.labels.tolist() == list(range(6))
    loader = ffcv_loader.BetonLoader(file, 10, 4, 1)
    boxes = ffcv_loader.whole(file)._replace(rows=np.full(6, 10))
    for pixels, labels in loader.batches(np.array([4, 2]), boxes):
        assert labels.tolist() == [4, 2]
        np.testing.assert_array_equal(pixels, images[[4, 2], :10])


@NEEDS_FFCV
def test_a_run_trains_and_is_tested(photographs: Path, tmp_path: Path) -> None:
    from normfree.train.run import run_one

    sizes = ("data.train_size=16", "data.test_size=16", "batch=4", "steps=5", "epochs=null", "trainer.evaluate_every=2")
    keys = ("model=nfnet_nano", "data=ffcv", f"data.root={photographs}", *sizes, "optimizer.warmup_steps=1")
    overrides = [*keys, "augment=crop_flip", f"runs_dir={tmp_path}"]
    result = run_one(resolved(*overrides), overrides)
    assert result["status"] != "failed", result["traceback"]
    assert [result["data"][split] for split in ("train", "validation", "test")] == [13, 1, 7]


def write_small(path: Path) -> Path:
    from normfree.data.beton_writer import Encoded, writing

    with writing(path, 3) as writer:
        for label in range(3):
            writer.add(Encoded(1, 2, 2, bytes(12)), label)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda whole: b"", "no .beton file, 0 bytes"),
        (lambda whole: b"\x09\x00" + whole[2:], ".beton version 9, and FFCV 1.0 reads version 2"),
        (lambda whole: b"PAR1" * 1000, "and FFCV 1.0 reads version 2"),
        (lambda whole: whole[:-1], "damaged or not written to the end"),
        (lambda whole: whole[:2000], "damaged or not written to the end"),
        (lambda whole: whole[:30], "damaged or not written to the end"),
        (lambda whole: whole[:24] + b"\x01" + whole[25:], "fields image, label; it must hold RGB images"),
        (lambda whole: whole[:8] + b"\xff\xff" + whole[10:], "damaged or not written to the end"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, content, words: str) -> None:  # type: ignore[no-untyped-def]
    path = write_small(tmp_path / "train.beton")
    assert read_beton(path).labels.tolist() == [0, 1, 2]
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(UserError) as error:
        read_beton(path)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_more_pixels_than_the_limit_are_refused(tmp_path: Path) -> None:
    from normfree.data.beton_writer import Encoded, writing

    with writing(tmp_path / "train.beton", 1) as writer:
        writer.add(Encoded(0, 10_000, 10_000, b"said to be a JPEG"), 0)
    with pytest.raises(UserError, match=r"train\.beton: image 0 has more than 67,108,864 pixels"):
        read_beton(tmp_path / "train.beton")


def test_random_damage_of_the_front_never_passes_as_an_address_outside(tmp_path: Path) -> None:
    path = write_small(tmp_path / "train.beton")
    good, random = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        place, value = int(random.integers(0, 2200)), int(random.integers(0, 256))
        path.write_bytes(good[:place] + bytes([value]) + good[place + 1 :])
        try:
            file = read_beton(path)
        except UserError:
            continue
        assert (file.images["data_ptr"] + file.sizes <= len(good)).all()
        assert (file.sizes == 12).all()


def test_what_is_missing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffcv = ("model=nfnet_nano", "data=ffcv", "data.train_size=8", "data.test_size=8", "batch=1")
    with pytest.raises(UserError, match=r"data\.root=null: no \.beton files; .* writes them from any data set"):
        resolved(*ffcv)
    with pytest.raises(UserError, match=rf"data\.root={tmp_path}: no file {tmp_path}/train\.beton"):
        resolved(*ffcv, f"data.root={tmp_path}")
    write_small(tmp_path / "train.beton")
    with pytest.raises(UserError, match=r"data\.test_file=nowhere: no file"):
        resolved(*ffcv, f"data.root={tmp_path}", "data.test_file=nowhere")
    for wrong in ("data.loader=workers", "data.on_error=skip"):
        with pytest.raises(UserError, match=wrong):
            resolved(*ffcv, f"data.root={tmp_path}", wrong, "data.validation_samples=1", "data.test_samples=1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data = resolved(*ffcv, f"data.root={tmp_path}", "data.validation_samples=1", "data.test_samples=1").config.data
    with pytest.raises(UserError, match=r"^data\.loader=ffcv: FFCV is not installed; run make ffcv"):
        require_images(data)


@NEEDS_FFCV
def test_a_set_without_test_file_is_cut_in_three(tmp_path: Path) -> None:
    from normfree.config.conversion import Conversion
    from normfree.data.convert import convert

    digits_as_parquet(tmp_path / "parquet")
    convert(
        Conversion(data="parquet", root=str(tmp_path / "parquet" / "train-00000-of-00002.parquet"), out=str(tmp_path))
    )
    keys = (f"data.root={tmp_path}", "data.train_size=28", "data.test_size=28", "data.test_samples=3", "batch=4")
    read = source("data=ffcv", *keys, "data.validation_samples=2", "augment=none", micro_batch=4)
    assert [read.size(split) for split in ("train", "validation", "test")] == [7, 2, 3]
    seen = [
        image
        for split in ("train", "validation", "test")
        for batch in read.evaluation_batches(split, 2)
        for image in batch.images
    ]
    assert len({image.numpy().tobytes() for image in seen}) == len(seen) == 12
