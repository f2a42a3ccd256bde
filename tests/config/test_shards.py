"""Which parquet files are read, by their names and by the classes that they name."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.conftest import resolved
from tests.data.images import encoded, write_parquet

from normfree.config import UserError, require_images
from normfree.config.schema import DataConfig
from normfree.config.sources import read_of
from normfree.data import Source, build_source


def written(
    root: Path, name: str, rows: int = 6, names: Sequence[str] | None = ("zero", "one"), swap: bool = False
) -> Path:
    """Zeros and ones in turn, labelled 0 and 1, or the other way round."""
    contents, labels = encoded(count=rows, form="PNG")
    return write_parquet(root / name, contents, [1 - label if swap else label for label in labels], names=names)


def options(root: Path) -> tuple[str, ...]:
    return ("data=parquet", f"data.root={root}", "data.train_size=28", "batch=2", "augment=none", "steps=4")


def of(root: Path) -> DataConfig:
    return resolved(*options(root)).config.data


def refused(root: Path, line: str) -> None:
    with pytest.raises(UserError, match=line) as raised:
        of(root)
    assert "\n" not in str(raised.value)


def zeros_are(made: Source, split: str) -> set[tuple[bool, int]]:
    """A zero is dark in the middle, a one bright: with the labels that each has."""
    return {
        (float(made.pixels(image[None])[0, :, 12:16, 12:16].mean()) > 0.5, int(label))
        for batch in made.evaluation_batches(split, 8)
        for image, label in zip(*batch, strict=True)
    }


@pytest.mark.parametrize("loader", ["resident", "workers"])
def test_labels_are_by_name_in_every_file(tmp_path: Path, loader: str) -> None:
    written(tmp_path, "train-00000-of-00002.parquet")
    written(tmp_path, "train-00001-of-00002.parquet", names=("one", "zero"), swap=True)
    written(tmp_path, "test.parquet", names=("one", "zero"), swap=True)
    made = build_source(resolved(*options(tmp_path), f"data.loader={loader}"), 2)
    assert zeros_are(made, "train") == zeros_are(made, "test") == {(False, 0), (True, 1)}
    assert made.read["class_names"] == ["zero", "one"]


def test_files_of_other_classes_are_refused(tmp_path: Path) -> None:
    written(tmp_path, "train-0.parquet")
    written(tmp_path, "test-0.parquet", names=("zero", "two"))
    refused(tmp_path, r"test-0\.parquet: class two is not in all files; train-0\.parquet names 2 classes")
    written(tmp_path, "test-0.parquet", names=None)
    refused(tmp_path, r"test-0\.parquet: names no classes and train-0\.parquet does")
    written(tmp_path, "test-0.parquet", names=("zero", "zero"))
    refused(tmp_path, r"two classes of one name \(zero\)")


@pytest.mark.parametrize(
    "names",
    [
        [f"part_{number:05d}_train" for number in range(4)],
        [f"fold_{number}_train" for number in range(4)],
        [f"train-{number:05d}-of-00004-0123456789abcdef" for number in range(4)],
        [f"train/{number:04d}" for number in range(4)],
        [f"default/Training/part-{number:05d}-0a1b2c3d-00ff-4abc-8def-0123456789ab" for number in range(4)],
    ],
)
def test_every_shard_is_read(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        written(tmp_path, f"{name}.parquet")
    found = read_of(of(tmp_path))
    assert (found.images, found.files, found.left_out) == ({"train": 24}, 4, ())


def test_numbers_are_sizes_where_the_images_have_them(tmp_path: Path) -> None:
    written(tmp_path, "x_28_train.parquet", 8)
    written(tmp_path, "x_64_train.parquet", 10)
    # 64 is not the size of its images: both are parts.
    assert read_of(of(tmp_path)).images == {"train": 18}
    (tmp_path / "x_64_train.parquet").unlink()
    assert read_of(of(tmp_path)).images == {"train": 8}


def test_a_set_that_is_not_whole_or_not_one_is_refused(tmp_path: Path) -> None:
    def fresh(name: str, *files: str) -> Path:
        for file in files:
            written(tmp_path / name, f"{file}.parquet")
        return tmp_path / name

    refused(fresh("part", "train-00000-of-00003", "train-00002-of-00003"), r"2 of 3 files, number 1 is missing")
    refused(fresh("two", "cats_train", "dogs_train"), r"training files of several sets side by side \(cats, dogs\)")
    refused(fresh("cifar", "cifar10_train", "cifar100_train"), r"several sets side by side \(cifar10, cifar100\)")
    refused(fresh("of", "train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"), r"of 1, 2 files")
    refused(fresh("deep", "a/train-0", "b/train-0"), r"in several folders \(a, b\); name one, such as data\.root=.*/a")
    refused(fresh("folds", "fold_0_train", "fold_0_test", "fold_1_train", "fold_1_test"), r"several folds")
    refused(fresh("both", "train_val"), r"train_val\.parquet is called as two splits")


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    for name in ("train-0", "test-0", "metadata", "old/train-0"):
        written(tmp_path, f"{name}.parquet")
    assert sorted(str(part) for part in read_of(of(tmp_path)).left_out) == [
        "metadata.parquet (no split in its name)",
        "old/train-0.parquet (in another folder)",
    ]
    one = written(tmp_path / "whole", "train-00000-of-00002.parquet", 30)
    assert read_of(of(one)).remarks() == ["left out: 1 other files of its set (data.root names one file)"]


def test_a_pipe_is_no_file_of_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train-0.parquet")
    with pytest.raises(UserError, match=r"train-0\.parquet: not a readable parquet file \(no regular file\)"):
        require_images(DataConfig(name="parquet", root=str(tmp_path), train_size=28))


def test_labels_that_are_no_class_numbers_are_one_line(tmp_path: Path) -> None:
    contents, _ = encoded(count=4)
    file = write_parquet(tmp_path / "all.parquet", contents, [0, 1, 2**40, 0], names=None)
    refused(file, rf"label {2**40} is no class number")
    write_parquet(tmp_path / "all.parquet", [], [], names=None)
    refused(file, r"0 images leave none for training")


def test_a_number_that_is_missing_in_a_row_is_told(tmp_path: Path) -> None:
    for number in (0, 2, 3):
        written(tmp_path, f"train_{number}.parquet")
    written(tmp_path, "test_0.parquet")
    (left_out,) = read_of(of(tmp_path)).left_out
    assert str(left_out) == "number 1 (not there, between train_0.parquet and train_3.parquet)"
    written(tmp_path, "train_1.parquet")
    written(tmp_path / "years", "train-2018.parquet")
    written(tmp_path / "years", "train-2021.parquet")
    assert read_of(of(tmp_path / "years")).left_out == ()


def test_a_single_file_that_is_called_as_a_test_is_not_trained_on(tmp_path: Path) -> None:
    refused(written(tmp_path, "test-00000-of-00001.parquet"), "called as the test split, and would be trained on")
    refused(written(tmp_path, "x_64_val.parquet"), "called as the validation split, and would be trained on")
    for name in ("all.parquet", "train-0.parquet", "contest.parquet"):
        of(written(tmp_path, name))
