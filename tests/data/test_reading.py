"""What is read of a data set is what lies there: sets that were read wrongly once, made here, by every loader."""

import errno
import importlib.util
import os
import shutil
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.conftest import resolved
from tests.data.images import encoded, write_parquet

from normfree.config import UserError, require_images
from normfree.config.conversion import Conversion
from normfree.config.schema import DataConfig
from normfree.config.sources import read_of
from normfree.config.sources.words import is_system, split_of
from normfree.data import Source, build_source
from normfree.data.convert import convert
from normfree.runs import run_id

HAS_FFCV = importlib.util.find_spec("ffcv") is not None
LOADERS = [
    "resident",
    "workers",
    pytest.param("ffcv", marks=pytest.mark.skipif(not HAS_FFCV, reason="FFCV is missing")),
]
RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)


def picture(path: Path, colour: tuple[int, int, int], number: int) -> None:
    """Of one colour, and told from others by its first pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((12, 12, 3), colour, np.uint8)
    pixels[0, 0] = number
    Image.fromarray(pixels).save(path)


def classes(root: Path, count: int, **colours: tuple[int, int, int]) -> Path:
    for name, colour in (colours or {"red": RED, "blue": BLUE}).items():
        for number in range(count):
            picture(root / name / f"{name}{number:03d}.png", colour, number)
    return root


def of(root: Path, *keys: str, data: str = "folder") -> DataConfig:
    return resolved(*options(root, data), *keys).config.data


def options(root: Path, data: str = "folder") -> tuple[str, ...]:
    sizes = ("data.train_size=12", "data.test_size=12", "batch=4", "augment=none", "steps=4", "data.workers=0")
    return (f"data={data}", f"data.root={root}", "model=resnet20", *sizes)


def source(root: Path, loader: str, data: str = "folder", *keys: str) -> Source:
    """Through conversion where that is how the loader gets its images."""
    if loader == "ffcv":
        out = root.parent / f"{root.name}-beton"
        skip = "skip" if "data.on_error=skip" in keys else "raise"
        convert(Conversion(data, root=str(root), out=str(out), workers=1, on_error=skip), say=lambda text: None)
        return build_source(resolved(*options(out, "ffcv")), 4)
    return build_source(resolved(*options(root, data), f"data.loader={loader}", *keys), 4)


def colours(made: Source) -> dict[str, Counter[tuple[int, str]]]:
    """Split -> label and colour of each image."""
    names = {0: "red", 1: "green", 2: "blue"}
    return {
        split: Counter(
            (int(label), names[int(made.pixels(image[None])[0, :, 6, 6].argmax())])
            for batch in made.evaluation_batches(split, 8)
            for image, label in zip(*batch, strict=True)
        )
        for split in ("train", "validation", "test")
    }


def total(made: Source) -> dict[tuple[int, str], int]:
    return dict(sum(colours(made).values(), Counter[tuple[int, str]]()))


@pytest.fixture
def views(tmp_path: Path) -> list[Path]:
    """One pool of images, and two folders that label it by links."""
    roots = [tmp_path / "labels1", tmp_path / "labels2"]
    for number in range(20):
        picture(tmp_path / "pool" / f"{number:02d}.png", RED if number < 10 else BLUE, number)
        for root, first in zip(roots, (10, 4), strict=True):
            link = root / ("a" if number < first else "b") / f"{number:02d}.png"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(tmp_path / "pool" / f"{number:02d}.png")
    return roots


@pytest.mark.parametrize("loader", LOADERS)
def test_labels_are_those_of_the_folder_whatever_was_cached(views: list[Path], loader: str) -> None:
    assert total(source(views[0], loader)) == {(0, "red"): 10, (1, "blue"): 10}
    assert total(source(views[1], loader)) == {(0, "red"): 4, (1, "red"): 6, (1, "blue"): 10}
    assert read_of(of(views[0])).digest != read_of(of(views[1])).digest


@pytest.mark.parametrize("loader", ["resident", "workers"])
def test_a_class_more_changes_the_labels_of_all(tmp_path: Path, loader: str) -> None:
    root = tmp_path / "grow"
    for split in ("train", "val"):
        classes(root / split, 8, red=RED, zebra=BLUE)
    assert total(source(root, loader)) == {(0, "red"): 16, (1, "blue"): 16}
    classes(root / "train", 8, antelope=GREEN)
    (root / "val" / "antelope").mkdir()
    made = source(root, loader)
    assert colours(made)["test"] == {(1, "red"): 8, (2, "blue"): 8}
    assert total(made) == {(0, "green"): 8, (1, "red"): 16, (2, "blue"): 16}
    assert made.read["empty_classes"] == {"test": ["antelope"]}


def test_folders_whose_names_differ_behind_a_dot_are_two_runs(tmp_path: Path) -> None:
    runs = [
        resolved(*options(classes(tmp_path / name, 8, red=one, blue=other)))
        for name, one, other in (("pets-1.0", RED, BLUE), ("pets-1.1", BLUE, RED))
    ]
    assert [run.config.data.label for run in runs] == ["pets-1.0", "pets-1.1"]
    assert run_id(runs[0]) != run_id(runs[1])


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("names", [("Training", "Testing"), ("TRAIN", "Val"), ("train_set", "valid"), ("train", "dev")])
def test_split_words_in_any_form_are_splits(tmp_path: Path, loader: str, names: tuple[str, str]) -> None:
    root = tmp_path / "set"
    for name, count in zip(names, (8, 3), strict=True):
        classes(root / name, count)
    made = source(root, loader)
    assert {split: sum(counts.values()) for split, counts in colours(made).items()} == {
        "train": 15,
        "validation": 1,
        "test": 6,
    }
    assert total(made) == {(0, "blue"): 11, (1, "red"): 11}
    assert made.read["class_names"] == ["blue", "red"]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("data", ["folder", "parquet"])
def test_with_val_and_test_each_is_what_it_says(tmp_path: Path, loader: str, data: str) -> None:
    root = tmp_path / "three"
    for number, (name, count) in enumerate((("train", 8), ("val", 5), ("test", 7))):
        if data == "folder":
            classes(root / name, count)
        else:
            contents, _ = encoded(count=2 * count, form="PNG")
            write_parquet(root / f"{name}-0.parquet", contents, [number % 2] * count + [1] * count)
    made = source(root, loader, data)
    assert [made.size(split) for split in ("train", "validation", "test")] == [16, 10, 14]
    given = of(root, data=data)
    assert (given.train_samples, given.validation_samples, given.test_samples) == (16, 10, 14)


@pytest.mark.parametrize("loader", LOADERS)
def test_what_a_system_keeps_is_no_class_and_is_said(tmp_path: Path, loader: str) -> None:
    root = classes(tmp_path / "hidden", 8)
    for name in (".ipynb_checkpoints", "__MACOSX", "lost+found", "@eaDir", "$RECYCLE.BIN"):
        classes(root / name, 1)
    (root / "red" / "Thumbs.db").touch()
    picture(root / "red" / "._red000.png", GREEN, 0)
    (root / "red" / "notes.txt").touch()
    made = source(root, loader)
    assert total(made) == {(0, "blue"): 8, (1, "red"): 8}
    found = read_of(of(root))
    assert [(part.why, part.count) for part in found.left_out] == [
        ("hidden or of a system", 7),
        ("not image files that are read", 1),
    ]
    assert ".txt" in "; ".join(found.remarks())


def test_layouts_that_could_mean_anything_are_refused(tmp_path: Path) -> None:
    def refused(root: Path, line: str) -> None:
        with pytest.raises(UserError, match=line) as raised:
            of(root)
        assert "\n" not in str(raised.value)

    both = tmp_path / "both"
    for name in ("train", "val", "Validation"):
        classes(both / name, 4)
    refused(both, r"Validation/ and val/ are both the validation split; remove or rename one")
    classes(classes(tmp_path / "beside", 4) / "test", 4)
    refused(tmp_path / "beside", r"test/ beside class folders \(blue, red\); put these into train/")
    classes(tmp_path / "one", 4, red=RED)
    refused(tmp_path / "one", r"data\.classes=1: one has one class.*data\.root holds CLASS/IMAGES")
    classes(tmp_path / "deep" / "set" / "train", 4)
    refused(tmp_path / "deep", rf"the splits lie one folder below; give data\.root={tmp_path}/deep/set")
    for name in ("cat", "dog"):
        classes(tmp_path / "inside" / name, 4, train=RED, test=BLUE)
    refused(tmp_path / "inside", r"cat: a class folder that holds test/, train/; splits go above classes")


@pytest.mark.parametrize(
    "names",
    [("train2017", "val2017"), ("seg_train", "seg_test"), ("1_train", "2_test"), ("Images Train", "Images Valid")],
)
def test_folders_called_nearly_as_splits_are_no_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        classes(tmp_path / name, 4)
    with pytest.raises(UserError, match=rf"{names[0]}/.* called nearly as splits; rename them to train/ and test/"):
        of(tmp_path)


def test_classes_with_images_of_their_own_may_have_split_words_in_their_names(tmp_path: Path) -> None:
    classes(tmp_path, 8, **{"steam train": RED, "test_tube": BLUE})
    assert read_of(of(tmp_path)).classes == ["steam train", "test_tube"]


def test_test_images_without_classes_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "given"
    classes(root / "train", 8)
    classes(root / "val", 4)
    picture(root / "test" / "1.png", RED, 0)
    found = read_of(of(root))
    assert found.images == {"train": 16, "test": 8}
    assert found.places["test"] == "val"
    assert found.remarks() == ["left out: test/ (no split)"]


def broken(root: Path) -> dict[str, str]:
    """Name -> why it cannot be read, of all kinds of files that are none."""
    (root / "red" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "red" / "loop.png").symlink_to(root / "red" / "loop.png")
    (root / "red" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(root / "red" / "pipe.png")
    here = os.getcwd()
    os.chdir(root / "red")  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket.png")
    os.chdir(here)
    return {"gone": "leads nowhere", "loop": "loop of links", "zero": "device", "pipe": "pipe", "socket": "socket"}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.filterwarnings("ignore:.*left out", "ignore:data.on_error=skip")
def test_what_is_no_file_is_one_line_or_left_out_and_counted(tmp_path: Path, loader: str) -> None:
    root = classes(tmp_path / "broken", 8)
    names = broken(root)
    with pytest.raises(UserError, match=r"red/\w+\.png: unreadable .*data\.on_error=skip"):
        list(source(root, loader).training_batches(0, 4))
    with pytest.raises(UserError, match=r"red/gone\.png: unreadable \(a link that leads nowhere\), and 4 more; repair"):
        require_images(of(root))
    made = source(root, loader, "folder", "data.on_error=skip")
    assert sum(total(made).values()) == 16
    if loader != "ffcv":
        assert sum(made.skipped().values()) == len(names)
        why = {Path(part["what"]).stem: part["why"] for part in made.read["left_out"]}
        assert all(words in why[name] for name, words in names.items())


def test_a_link_to_a_folder_above_is_no_endless_class(tmp_path: Path) -> None:
    root = classes(tmp_path / "looped", 8)
    (root / "red" / "again").symlink_to(root)
    with pytest.raises(UserError, match=r"red/again: unreadable \(a link to a folder that it lies in\)"):
        require_images(of(root))
    assert read_of(of(root, "data.on_error=skip")).images == {"train": 16}


def test_a_folder_that_cannot_be_read_is_one_line_or_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is closed to root, whose tests these may be."""
    root, scandir = classes(tmp_path / "closed", 8), os.scandir
    (root / "red" / "inner").mkdir()

    def refusing(place: str) -> Any:
        if str(place).endswith("red/inner"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UserError, match=r"red/inner: unreadable \(Permission denied\); repair or remove it, or add"):
        require_images(of(root))
    found = read_of(of(root, "data.on_error=skip"))
    assert found.images == {"train": 16}
    assert found.remarks() == [f"cannot be read: {root}/red/inner (Permission denied)"]


def test_the_digest_is_of_names_sizes_labels_and_contents_alone(tmp_path: Path) -> None:
    root = classes(tmp_path / "first", 8)
    digest = read_of(of(root)).digest
    shutil.copytree(root, tmp_path / "copied")
    assert read_of(of(tmp_path / "copied")).digest == digest
    content = (root / "red" / "red003.png").read_bytes()
    (root / "red" / "red003.png").write_bytes(content[:-1] + b"!")
    changed = read_of(of(root)).digest
    assert changed != digest
    (root / "red" / "red003.png").write_bytes(content)
    assert read_of(of(root)).digest == digest
    (root / "red" / "red003.png").rename(root / "blue" / "red003.png")
    assert read_of(of(root)).digest not in (digest, changed)


def test_words_and_names() -> None:
    assert {name: split_of(name) for name in ("Training", "VAL", "test_set", "dev", "trainer", "tests", "cat")} == {
        "Training": "train", "VAL": "validation", "test_set": "test", "dev": "validation",
        "trainer": None, "tests": None, "cat": None,
    }  # fmt: skip
    assert all(map(is_system, (".git", "__MACOSX", "Desktop.ini", "THUMBS.DB")))
    assert not is_system("data.ini")
