import contextlib
import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from tests.conftest import resolved
from tests.data.images import NAMES, digits_as_parquet, encoded, write_parquet
from torchvision.io import ImageReadMode, decode_image

from normfree.config import Resolved, UserError, require_images
from normfree.config.parquet import class_names, find_parquet, open_parquet
from normfree.config.schema import DataConfig
from normfree.data import build_source, torchvision_cifar
from normfree.data.build import _parts
from normfree.data.decode import open_image, square
from normfree.data.held import held_arrays
from normfree.data.resident import Arrays
from normfree.data.source import SPLITS
from normfree.runs import run_id
from normfree.train.run import run_one

GIVEN = "NORMFREE_TEST_DATA"
"""Environment variable: a folder with cifar10/ and imagenette/ as parquet, for the tests on whole data sets."""


def parquet_arrays(data: DataConfig) -> Arrays:
    return held_arrays(_parts(data), data)[0]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "normfree"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return digits_as_parquet(tmp_path / "digits")


def config(root: Path | None, **keys: object) -> DataConfig:
    usual: dict[str, object] = {
        "classes": 2,
        "channels": 3,
        "train_samples": 20,
        "validation_samples": 4,
        "test_samples": 6,
        "train_size": 28,
        "test_size": 28,
    }
    name = str(keys.pop("name", "parquet"))
    return DataConfig(name=name, label="x", root=None if root is None else str(root), **{**usual, **keys})  # type: ignore[arg-type]


def test_every_image_is_in_one_split_with_its_label(root: Path) -> None:
    arrays = parquet_arrays(config(root))
    contents, labels = encoded("train", 24)
    # Two decoders on the same bytes: torchvision's and Pillow's.
    expected = {decode(content).numpy().tobytes(): label for content, label in zip(contents, labels, strict=True)}
    held_out = {image.numpy().tobytes(): int(label) for image, label in zip(*arrays["validation"], strict=True)}
    trained = {image.numpy().tobytes(): int(label) for image, label in zip(*arrays["train"], strict=True)}
    assert held_out | trained == expected
    assert (len(held_out), len(trained)) == (4, 20)
    test_contents, test_labels = encoded("test", 6)
    tested = {image.numpy().tobytes(): int(label) for image, label in zip(*arrays["test"], strict=True)}
    assert tested == {decode(c).numpy().tobytes(): label for c, label in zip(test_contents, test_labels, strict=True)}


def decode(content: bytes) -> torch.Tensor:
    return decode_image(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.RGB)


def test_the_held_out_images_are_the_same_for_every_seed_and_grow_by_addition(root: Path) -> None:
    few, more = (parquet_arrays(config(root, validation_samples=n)) for n in (4, 8))
    assert torch.equal(few["validation"][0], more["validation"][0][:4])
    assert torch.equal(
        torch.cat([few["validation"][1], few["train"][1]]), torch.cat([more["validation"][1], more["train"][1]])
    )


def test_one_file_gives_all_three_splits(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "all.parquet", *encoded(count=20), column="img")
    arrays = parquet_arrays(config(file, validation_samples=3, test_samples=5))
    assert {split: len(labels) for split, (_, labels) in arrays.items()} == {"train": 12, "validation": 3, "test": 5}
    rows = torch.cat([images.flatten(1) for images, _ in arrays.values()])
    assert len(rows.unique(dim=0)) == 20


def test_what_is_not_given_is_read_from_the_files(root: Path) -> None:
    run = resolved("data=parquet", f"data.root={root}", "data.train_size=28", "batch=10", "augment=crop_flip")
    data = run.config.data
    assert (data.classes, data.train_samples, data.validation_samples, data.test_samples) == (2, 22, 2, 6)
    assert run.config.augment.shift == 4
    batch = next(iter(build_source(run, 10).training_batches(0, 1)))
    assert batch.images.shape == (10, 3, 28, 28)


def test_two_sets_of_the_same_size_are_two_runs(root: Path, tmp_path: Path) -> None:
    other = digits_as_parquet(tmp_path / "others")
    options = ("data=parquet", "data.train_size=28", "batch=10", "augment=none")
    one, two, named = (resolved(*options, f"data.root={place}") for place in (root, other, root))
    assert (one.config.data.label, two.config.data.label) == ("digits", "others")
    assert run_id(one) == run_id(named) != run_id(two)
    labelled = resolved(*options, f"data.root={other}", "data.label=digits")
    assert run_id(labelled) == run_id(one)


def test_classes_without_names_are_counted(tmp_path: Path) -> None:
    contents, _ = encoded(count=20)
    file = write_parquet(tmp_path / "all.parquet", contents, [row % 5 for row in range(20)], names=None)
    assert resolved("data=parquet", f"data.root={file}", "data.train_size=28", "batch=10").config.data.classes == 5


def test_class_names_of_both_kinds_of_metadata(root: Path, tmp_path: Path) -> None:
    assert class_names(open_parquet(root / "test-00000-of-00001.parquet")) == list(NAMES)
    table = pq.read_table(root / "test-00000-of-00001.parquet").replace_schema_metadata({"class_names": "a b|c"})
    pq.write_table(table, tmp_path / "joined.parquet")
    assert class_names(open_parquet(tmp_path / "joined.parquet")) == ["a b", "c"]


def test_files_of_the_right_size_and_split_are_taken(tmp_path: Path) -> None:
    for name in ("x_64_train", "x_64_val", "x_128_train", "x_128_val"):
        (tmp_path / f"{name}.parquet").touch()
    found = find_parquet(tmp_path, 64)
    assert {split: [path.name for path in paths] for split, paths in found.items()} == {
        "train": ["x_64_train.parquet"],
        "test": ["x_64_val.parquet"],
    }
    below = tmp_path / "hub" / "plain_text"
    below.mkdir(parents=True)
    for name in ("train-00000-of-00001", "test-00000-of-00001", "validation-00000-of-00001"):
        (below / f"{name}.parquet").touch()
    assert [path.name for path in find_parquet(tmp_path / "hub", 32)["test"]] == ["test-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "CMYK")]
)
def test_grey_transparent_and_palette_images_are_converted(tmp_path: Path, form: str, mode: str) -> None:
    contents, labels = encoded(count=10, form=form, mode=mode)
    file = write_parquet(tmp_path / "all.parquet", contents, labels)
    data = config(file, validation_samples=0, test_samples=0)
    images, _ = parquet_arrays(data)["train"]
    # Grey digits stay grey in every mode.
    assert int((images[:, 0].int() - images[:, 1].int()).abs().max()) <= 2
    grey, _ = parquet_arrays(config(file, validation_samples=0, test_samples=0, channels=1))["train"]
    assert grey.shape == (10, 1, 28, 28)
    assert float(images.float().mean()) > 5


def test_other_sizes_are_cropped_to_a_centred_square_and_resized(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    stream = io.BytesIO()
    Image.fromarray(wide).save(stream, "PNG")
    file = write_parquet(tmp_path / "all.parquet", [stream.getvalue()] * 2, [0, 1])
    images, _ = parquet_arrays(config(file, validation_samples=0, test_samples=0, train_size=10))["train"]
    assert images.shape == (2, 3, 10, 10)
    # The black sides are gone; a wide filter sees them at the border.
    assert int(images[..., 1:-1].min()) == 200
    assert int(images.min()) > 180


def test_the_second_reading_is_the_first_from_the_cache(root: Path, cache: Path) -> None:
    first = parquet_arrays(config(root))
    entries = sorted(path for path in (cache / "images").iterdir() if path.is_dir())
    assert len(entries) == 2
    # Told apart from a decoding by what is in the file.
    marked = np.load(entries[0] / "labels.npy")
    np.save(entries[0] / "labels.npy", 1 - marked)
    second = parquet_arrays(config(root))
    assert sum(not torch.equal(first[split][1], second[split][1]) for split in first) >= 1
    assert all(torch.equal(first[split][0], second[split][0]) for split in first)


def test_a_changed_file_is_decoded_anew(root: Path) -> None:
    before = parquet_arrays(config(root))["test"][0]
    contents, labels = encoded("validation", 6)
    write_parquet(root / "test-00000-of-00001.parquet", contents, labels)
    assert not torch.equal(parquet_arrays(config(root))["test"][0], before)


@pytest.mark.parametrize("size", [0, 50])
def test_a_damaged_cache_is_made_again(root: Path, cache: Path, size: int) -> None:
    before = {split: (images.clone(), labels) for split, (images, labels) in parquet_arrays(config(root)).items()}
    for path in (cache / "images").glob("*/images.npy"):
        os.truncate(path, size)
    after = parquet_arrays(config(root))
    assert all(torch.equal(before[split][0], after[split][0]) for split in before)


def test_a_cache_that_cannot_be_written_is_a_warning(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match=r"data\.cache=.*file.*cannot be kept.*data\.cache=off"):
        arrays = parquet_arrays(config(root, cache=str(tmp_path / "file")))
    assert len(arrays["train"][1]) == 20


def test_no_cache_is_written_where_it_is_off(root: Path, cache: Path) -> None:
    parquet_arrays(config(root, cache="off"))
    assert not cache.exists()


def test_a_missing_root_says_where_it_looked_and_what_works(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data=imagenette: .*data\.root is not set.*data\.root=PATH.*mnist5k"):
        require_images(config(None, name="imagenette"))
    with pytest.raises(UserError, match=rf"no train-\*\.parquet.* in {tmp_path}.*uoft-cs/cifar10.*data\.download=true"):
        require_images(config(tmp_path, name="cifar10"))


def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(UserError, match=r"train-0\.parquet: not a readable parquet file"):
        require_images(config(tmp_path))


def test_a_folder_that_is_not_torchvisions_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    run = resolved("data=cifar10", f"data.root={tmp_path}", "batch=10")
    with pytest.raises(UserError, match=r"torchvision cannot use .*cifar-10-batches-py.*data\.download=true"):
        build_source(run, 10)


@pytest.mark.skipif(GIVEN not in os.environ, reason=f"{GIVEN} names no folder with cifar10/")
def test_all_of_cifar10() -> None:
    run = resolved("data=cifar10", f"data.root={os.environ.get(GIVEN)}/cifar10", "batch=500", "augment=none")
    source = build_source(run, 500)
    assert [source.size(split) for split in ("train", "validation", "test")] == [45000, 5000, 10000]
    counts = sum(torch.bincount(batch.labels, minlength=10) for batch in source.evaluation_batches("test", 500))
    assert isinstance(counts, torch.Tensor)
    assert counts.tolist() == [1000] * 10
    images = torch.cat([batch.images for batch in source.evaluation_batches("train", 500)])
    assert images.mean((0, 2, 3)).abs().max() < 0.02
    assert (images.std((0, 2, 3)) - 1).abs().max() < 0.03


@pytest.mark.skipif(GIVEN not in os.environ, reason=f"{GIVEN} names no folder with imagenette/")
def test_all_of_imagenette() -> None:
    root = f"data.root={os.environ.get(GIVEN)}/imagenette"
    source = build_source(
        resolved("data=imagenette", root, "data.train_size=64", "batch=100", "augment=crop_flip"), 100
    )
    assert [source.size(split) for split in ("train", "validation", "test")] == [8469, 1000, 3925]
    assert next(iter(source.training_batches(0, 1))).images.shape == (100, 3, 64, 64)


def test_every_loader_cuts_the_same_splits_and_tests_the_same_images(root: Path) -> None:
    few = ("data=parquet", f"data.root={root}", "data.train_size=28", "batch=10", "augment=none")
    resident, workers = (build_source(resolved(*few, f"data.loader={name}"), 10) for name in ("resident", "workers"))
    for split in ("train", "validation", "test"):
        one, other = (
            {
                image.numpy().round(3).tobytes(): int(label)
                for batch in made.evaluation_batches(split, 7)
                for image, label in zip(*batch, strict=True)
            }
            for made in (resident, workers)
        )
        assert one == other
    for made in (resident, workers):
        batch = next(iter(made.training_batches(0, 1)))
        assert batch.images.shape == (10, 3, 28, 28)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """24 training rows of which 2 are damaged and 1 has no bytes, and 6 test rows of which 1 is damaged."""
    contents, labels = encoded("train", 24)
    held: list[bytes | None] = [*contents]
    held[3], held[7], held[20] = contents[3][:300], b"no image", None
    write_parquet(tmp_path / "bad" / "train-0.parquet", held, labels)
    contents, labels = encoded("test", 6)
    write_parquet(tmp_path / "bad" / "test-0.parquet", [contents[0][:100], *contents[1:]], labels)
    return tmp_path / "bad"


@pytest.mark.parametrize("loader", ["resident", "workers"])
def test_a_damaged_row_is_named_or_left_out(damaged: Path, loader: str) -> None:
    options = ("data=parquet", f"data.root={damaged}", "data.train_size=28", "batch=10", f"data.loader={loader}")
    run = resolved(*options, "augment=none")
    with pytest.raises(UserError, match=r"(train|test)-0\.parquet, row (3|7|20|0): unreadable image .*on_error=skip"):
        list(build_source(run, 10).training_batches(0, 6))
    run = resolved(*options, "augment=none", "data.on_error=skip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = build_source(run, 10)
        batches = list(made.training_batches(0, 6))
        tested = sum(len(batch.labels) for split in SPLITS for batch in made.evaluation_batches(split, 4))
    assert [len(batch.images) for batch in batches] == [10] * 6
    assert tested == sum(made.size(split) for split in SPLITS) == 30 - 4
    assert sum(made.skipped().values()) == 4


def test_a_parquet_without_the_columns_is_one_line(tmp_path: Path) -> None:
    file = write_parquet(tmp_path / "train-0.parquet", *encoded(count=4), column="picture")
    with pytest.raises(UserError, match=r"no column of images; it must be called image or img, and .* picture, label"):
        require_images(config(tmp_path))
    table = pq.read_table(write_parquet(file, *encoded(count=4))).drop_columns("label")
    pq.write_table(table, file)
    with pytest.raises(UserError, match=r"no column of labels; it must be called label"):
        require_images(config(tmp_path))
    pq.write_table(pa.table({"image": ["a", "b"], "label": [0, 1]}), file)
    with pytest.raises(UserError, match=r"column image holds string, not encoded images"):
        require_images(config(tmp_path))
    pq.write_table(pa.table({"image": [b"a", b"b"], "label": ["x", "y"]}), file)
    with pytest.raises(UserError, match=r"column label holds string; labels must be whole numbers"):
        require_images(config(tmp_path))


def test_wrong_labels_are_one_line(tmp_path: Path) -> None:
    contents, _ = encoded(count=6)
    for labels, line in (
        ([0, 1, 2, 0, 1, 2], r"data\.classes=2: parquet has a training image of class 2; set data\.classes=3"),
        ([0, 1, -1, 0, 1, 0], r"a training image of class -1; labels count from 0"),
        ([0, 1, None, 0, 1, 0], r"1 of 6 labels are missing"),
    ):
        file = write_parquet(tmp_path / "all.parquet", contents, labels)
        with pytest.raises(UserError, match=line):
            parquet_arrays(config(file, validation_samples=0, test_samples=0))
    file = write_parquet(tmp_path / "all.parquet", contents, [0, 2, 0, 2, 0, 2])
    with pytest.warns(UserWarning, match=r"data\.classes=4: parquet has no training image of 2 of them \(1, 3\)"):
        parquet_arrays(config(file, validation_samples=0, test_samples=0, classes=4))


def corruptions(count: int) -> list[bytes]:
    """Real JPEGs with flipped bits, cut short, or under a wrong header."""
    chance = np.random.default_rng(0)
    whole, _ = encoded(count=20)
    damaged = []
    for number in range(count):
        content = bytearray(whole[number % 20])
        kind = number % 3
        if kind == 0:
            for place in chance.integers(0, len(content), chance.integers(1, 20)):
                content[place] ^= 1 << int(chance.integers(8))
        elif kind == 1:
            del content[int(chance.integers(0, len(content))) :]
        else:
            content[: int(chance.integers(1, 40))] = chance.bytes(int(chance.integers(1, 40)))
        damaged.append(bytes(content))
    return damaged


def test_a_thousand_corruptions_neither_crash_a_worker_nor_hang_the_loader(tmp_path: Path) -> None:
    good, labels = encoded(count=20)
    damaged = corruptions(1000)
    readable = 20
    for content in damaged:
        with warnings.catch_warnings(), contextlib.suppress(ValueError):
            warnings.simplefilter("ignore")
            assert square(open_image(content), 28).shape == (3, 28, 28)
            readable += 1
    # A flipped bit may leave an image that can be read; a missing header never does.
    assert 40 < readable < 520
    file = write_parquet(tmp_path / "all.parquet", [*good, *damaged], [*labels, *[0] * 1000])
    few = ("data=parquet", f"data.root={file}", "data.train_size=28", "batch=20", "data.on_error=skip", "augment=none")
    splits = ("data.validation_samples=0", "data.test_samples=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for loader in (("data.loader=workers", "data.workers=2"), ("data.loader=resident", "data.cache=off")):
            made = build_source(resolved(*few, *splits, *loader), 20)
            counted = sum(len(batch.labels) for batch in made.evaluation_batches("train", 64))
            assert counted == made.size("train") == readable
            assert [len(batch.labels) for batch in made.training_batches(0, 3)] == [20] * 3


def test_what_was_left_out_is_counted_in_the_result(damaged: Path, tiny: Callable[..., Resolved]) -> None:
    options = ("data=parquet", f"data.root={damaged}", "data.train_size=14", "augment=crop_flip", "batch=10", "steps=3")
    with pytest.warns(UserWarning, match="on_error=skip") as told:
        result = run_one(tiny(*options, "optimizer.warmup_steps=1", "data.on_error=skip"), [])
    assert result["steps_done"] == 3
    assert result["skipped_images"] == {"train": 3, "test": 1}
    lines = [str(each.message) for each in told]
    assert any("train-0.parquet, row 20, " in line and "row 3, " in line for line in lines)
    assert "data.on_error=skip: parquet is without 4 unreadable images" in lines


def test_torchvisions_files_are_split_as_parquet_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kept:
        """Stands for torchvision's CIFAR10, whose files have checksums."""

        def __init__(self, root: str, train: bool = True, download: bool = False) -> None:
            count = 12 if train else 4
            self.data = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2).repeat(3, 3)
            self.targets = list(range(count))

    (tmp_path / "cifar-10-batches-py").mkdir()
    monkeypatch.setitem(torchvision_cifar._SETS, "cifar10", Kept)
    few = ("data.classes=12", "data.train_samples=9", "data.validation_samples=3", "data.test_samples=4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = build_source(resolved("data=cifar10", f"data.root={tmp_path}", *few, "batch=3", "augment=none"), 3)
    seen = {}
    for split in SPLITS:
        for batch in made.evaluation_batches(split, 5):
            values = (made.pixels(batch.images)[:, 0, 0, 0] * 255).round().int()
            assert torch.equal(values.long(), batch.labels)
            seen[split] = seen.get(split, []) + batch.labels.tolist()
    assert sorted(seen["train"] + seen["validation"]) == list(range(12))
    assert sorted(seen["test"]) == list(range(4))
