import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import resolved
from tests.data.images import config, encoded, parquet_arrays, write_parquet

from normfree.cli.train import summary
from normfree.config import Resolved, UserError, require_images
from normfree.data import build_source
from normfree.data.decode import open_image
from normfree.data.source import SPLITS
from normfree.train.run import run_one


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
        ([0, 1, 2, 0, 1, 2], r"all\.parquet: label 2 has no name among its 2 classes"),
        ([0, 1, -1, 0, 1, 0], r"all\.parquet: label -1 has no name among its 2 classes"),
        ([0, 1, None, 0, 1, 0], r"1 of 6 labels are missing"),
    ):
        file = write_parquet(tmp_path / "all.parquet", contents, labels)
        with pytest.raises(UserError, match=line):
            parquet_arrays(config(file, validation_samples=0, test_samples=0))
    file = write_parquet(tmp_path / "all.parquet", contents, [0, 1, 2, 0, 1, 2], names=None)
    with pytest.raises(UserError, match=r"has a training image of class 2; set data\.classes=3 or"):
        parquet_arrays(config(file, validation_samples=0, test_samples=0))
    file = write_parquet(tmp_path / "all.parquet", contents, [0, 2, 0, 2, 0, 2], names=None)
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
            assert open_image(content).mode == "RGB"
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


NOT_READ = "ignore:data.on_error=skip. (unreadable and left out|parquet is without)"


@pytest.mark.filterwarnings(NOT_READ, "ignore:.*unreadable image left out")
@pytest.mark.parametrize("loader", ["data.loader=workers data.workers=1", "data.loader=resident data.cache=off"])
def test_a_split_of_which_nothing_can_be_read_is_one_line(
    tmp_path: Path, tiny: Callable[..., Resolved], loader: str
) -> None:
    contents, labels = encoded(count=20)
    write_parquet(tmp_path / "train-0.parquet", contents, labels)
    write_parquet(tmp_path / "test-0.parquet", [b"no image"] * 6, [0, 1] * 3)
    options = ("data=parquet", f"data.root={tmp_path}", "data.train_size=14", "batch=10", "steps=1", *loader.split())
    with pytest.raises(UserError, match=r"no readable test images|none of the test images could be read"):
        run_one(tiny(*options, "optimizer.warmup_steps=0", "data.on_error=skip"), [])


@pytest.mark.filterwarnings(NOT_READ)
def test_a_class_that_is_gone_with_what_could_not_be_read_is_told(
    tmp_path: Path, tiny: Callable[..., Resolved]
) -> None:
    contents, labels = encoded(count=20)
    write_parquet(tmp_path / "train-0.parquet", contents, labels)
    write_parquet(tmp_path / "test-0.parquet", [contents[0]] * 6 + [b"no image"] * 5, [0] * 6 + [1] * 5)
    options = ("data=parquet", f"data.root={tmp_path}", "data.train_size=14", "batch=10", "steps=1")
    gone = r"among the 6 test images that could be read is none of 1 of the 2 classes \(1\)"
    with pytest.warns(UserWarning, match=gone):
        result = run_one(tiny(*options, "optimizer.warmup_steps=0", "data.on_error=skip"), [])
    assert " on 6 images (5 could not be read)" in summary(result)
