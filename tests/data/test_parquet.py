import io
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from tests.conftest import resolved
from tests.data.images import NAMES, config, digits_as_parquet, encoded, parquet_arrays, write_parquet
from torchvision.io import ImageReadMode, decode_image

from normfree.config import UserError
from normfree.config.sources import require_images
from normfree.config.sources.parquet_schema import class_names, open_parquet
from normfree.config.sources.shards import find_parquet
from normfree.data import build_source
from normfree.data.readers import torchvision
from normfree.data.source import SPLITS
from normfree.runs import run_id

GIVEN = "NORMFREE_TEST_DATA"
"""Environment variable: a folder with cifar10/ and imagenette/ as parquet, for the tests on whole data sets."""


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


def test_names_are_those_of_the_column_that_is_read(root: Path, tmp_path: Path) -> None:
    table = pq.read_table(root / "test-00000-of-00001.parquet")
    features = {"fine_label": {"names": ["ship", "cat"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    both = table.append_column("fine_label", table["label"]).replace_schema_metadata(metadata)
    pq.write_table(both, tmp_path / "both.parquet")
    assert class_names(open_parquet(tmp_path / "both.parquet")) == []
    pq.write_table(both.drop_columns(["label"]), tmp_path / "fine.parquet")
    assert class_names(open_parquet(tmp_path / "fine.parquet")) == ["ship", "cat"]


@pytest.mark.parametrize("names", [["zero"], ["one", "zero"]])
def test_a_label_that_has_a_name_in_another_file_alone_is_refused(tmp_path: Path, names: list[str]) -> None:
    contents, labels = encoded(count=20)
    write_parquet(tmp_path / "train-0.parquet", contents, labels)
    for wrong in (-1, len(names)):
        write_parquet(tmp_path / "test-0.parquet", contents, [0] * 19 + [wrong], names=names)
        with pytest.raises(
            UserError, match=rf"test-0\.parquet: label {wrong} has no name among its {len(names)} class"
        ):
            resolved("data=parquet", f"data.root={tmp_path}", "data.train_size=28", "batch=10")


def test_files_of_the_right_size_and_split_are_taken(tmp_path: Path) -> None:
    for name in ("x_64_train", "x_64_val", "x_128_train", "x_128_val"):
        (tmp_path / f"{name}.parquet").touch()
    found = find_parquet(tmp_path, 64)
    assert {split: [path.name for path in paths] for split, paths in found.items()} == {
        "train": ["x_64_train.parquet"],
        "test": ["x_64_val.parquet"],
    }
    for size, taken in ((32, 64), (65, 128), (512, 128)):
        assert [path.name for path in find_parquet(tmp_path, size)["train"]] == [f"x_{taken}_train.parquet"]
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


def test_with_keep_aspect_other_sizes_are_cropped_to_a_centred_square_and_resized(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    stream = io.BytesIO()
    Image.fromarray(wide).save(stream, "PNG")
    file = write_parquet(tmp_path / "all.parquet", [stream.getvalue()] * 2, [0, 1])
    images, _ = parquet_arrays(config(file, validation_samples=0, test_samples=0, train_size=10, keep_aspect=True))[
        "train"
    ]
    assert images.shape == (2, 3, 10, 10)
    # The black sides are gone; a wide filter sees them at the border.
    assert int(images[..., 1:-1].min()) == 200
    assert int(images.min()) > 180


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


def test_cifar_as_jpeg_is_called_so(root: Path, tmp_path: Path) -> None:
    def label(*keys: str) -> str:
        return resolved("data=cifar10", "batch=10", *keys).config.data.label

    assert label() == label(f"data.root={tmp_path}/missing") == "CIFAR-10"
    assert label(f"data.root={root}") == "CIFAR-10 (JPEG)"
    assert label(f"data.root={root}", "data.label=mine") == "mine"
    write_parquet(tmp_path / "png" / "train-0.parquet", *encoded(form="PNG"))
    assert label(f"data.root={tmp_path / 'png'}") == "CIFAR-10"
    (tmp_path / "png" / "train-0.parquet").write_bytes(b"PAR1")
    assert label(f"data.root={tmp_path / 'png'}") == "CIFAR-10"


def test_torchvisions_files_are_split_as_parquet_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kept:
        """Stands for torchvision's CIFAR10, whose files have checksums."""

        def __init__(self, root: str, train: bool = True, download: bool = False) -> None:
            count = 12 if train else 4
            self.data = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2).repeat(3, 3)
            self.targets = list(range(count))

    (tmp_path / "cifar-10-batches-py").mkdir()
    monkeypatch.setitem(torchvision._SETS, "cifar10", Kept)
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


@pytest.mark.parametrize(
    ("data", "labels", "names", "told"),
    [
        ("cifar10", [0, 1], ["tench", "church"], "has no class of CIFAR-10, but tench, church"),
        ("imagenette", [0] * 9470, None, "has 9,470 images for train, and Imagenette 9,469"),
        ("cifar100", [0, 1] * 25000, None, "has 2 classes, and CIFAR-100 100"),
    ],
)
def test_another_set_is_not_taken_for_a_published_one(
    data: str, labels: list[int], names: list[str] | None, told: str, tmp_path: Path
) -> None:
    size = "_128" if data == "imagenette" else ""
    write_parquet(tmp_path / f"a{size}_train.parquet", [b""] * len(labels), labels, names=names)
    write_parquet(tmp_path / f"a{size}_test.parquet", [b""] * 2, [0, 1], names=names)
    config = resolved(f"data={data}", f"data.root={tmp_path}").config.data
    with pytest.raises(UserError) as raised:
        require_images(config)
    assert str(raised.value) == f"data.root={tmp_path}: {told}; this is another data set: use data=parquet for it"
