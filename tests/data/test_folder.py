import shutil
from pathlib import Path

import pytest
import torch
from tests.conftest import resolved
from torchvision.io import write_jpeg

from normfree.config import UserError, require_images
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.data import build_source
from normfree.data.mnist5k import mnist5k
from normfree.data.samples import FolderSamples
from normfree.data.workers import WorkerSource

PAPER = AugmentConfig(
    name="paper",
    random_resized_crop=True,
    flip=True,
    mixup=0.2,
    cutmix=1.0,
    randaugment_layers=2,
    magnitude=5,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of real digits as colour JPEGs: 2 classes, 8 training and 5 test images each."""
    folder = tmp_path_factory.mktemp("images")
    for place, split, count in (("train", "train", 8), ("val", "test", 5)):
        images, labels = mnist5k(28)[split]
        for label in (0, 1):
            (folder / place / f"class{label}").mkdir(parents=True)
            for number, image in enumerate(images[labels == label][:count]):
                write_jpeg(image.expand(3, -1, -1), str(folder / place / f"class{label}" / f"{number}.jpg"))
    return folder


def config(root: Path | None, workers: int = 0, classes: int = 2) -> DataConfig:
    return DataConfig(
        name="imagenet",
        label="ImageNet",
        root=None if root is None else str(root),
        classes=classes,
        channels=3,
        train_samples=12,
        validation_samples=4,
        test_samples=10,
        train_size=24,
        test_size=24,
        workers=workers,
    )


def source(data: DataConfig, augment: AugmentConfig, seed: int, micro_batch: int, per_epoch: int) -> WorkerSource:
    assert data.root is not None
    train, test = (FolderSamples(Path(data.root) / place) for place in ("train", "val"))
    return WorkerSource(train, test, data, augment, seed, micro_batch, per_epoch)


def test_batches_do_not_depend_on_workers_or_the_point_of_restart(root: Path) -> None:
    whole = list(source(config(root), PAPER, 3, 4, 3).training_batches(0, 6))
    part = list(source(config(root, workers=2), PAPER, 3, 4, 3).training_batches(2, 6))
    for one, other in zip(part, whole[2:], strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert whole[0].images.shape == (4, 3, 24, 24)


def test_mixed_labels_are_shares_of_classes(root: Path) -> None:
    batch = next(iter(source(config(root), PAPER, 0, 4, 3).training_batches(0, 1)))
    assert batch.labels.shape == (4, 2)
    torch.testing.assert_close(batch.labels.sum(1), torch.ones(4))


def test_splits_share_no_image_and_each_is_evaluated_once(root: Path) -> None:
    made = source(config(root), AugmentConfig(name="none"), 0, 4, 3)
    assert {split: made.size(split) for split in ("train", "validation", "test")} == {
        "train": 12,
        "validation": 4,
        "test": 10,
    }
    parts = [set(made._parts[split][1].tolist()) for split in ("train", "validation")]
    assert parts[0] | parts[1] == set(range(16))
    counted = [len(batch.labels) for batch in made.evaluation_batches("test", 4)]
    assert counted == [4, 4, 2]


def test_a_missing_root_says_where_it_looked_and_what_works(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root is not set.*data\.root=PATH.*mnist5k.*works now"):
        require_images(config(None))
    with pytest.raises(UserError, match=r"no class folders in it; give .*data\.root=PATH"):
        require_images(config(tmp_path))
    (tmp_path / "a.png").touch()
    (tmp_path / "b.JPG").touch()
    with pytest.raises(UserError, match=r"no class folders in it, but 2 images; give the folder that holds "):
        require_images(config(tmp_path))
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=rf"no class folders in {tmp_path / 'train'}; give "):
        require_images(config(tmp_path))
    with pytest.raises(UserError, match=rf"there is no file or folder {tmp_path / 'nowhere'}; give .*data\.root=PATH"):
        require_images(config(tmp_path / "nowhere"))


def test_another_number_of_classes_is_one_line(root: Path) -> None:
    run = resolved("model=nfnet_nano", "data=imagenet", f"data.root={root}", *SMALL, "data.classes=10")
    with pytest.raises(UserError, match=r"data\.classes=10: .* has 2 class folders; set data\.classes=2"):
        build_source(run, 2)


SMALL = ("batch=2", "data.train_size=24", "data.test_size=24", "augment=none", "steps=50")


def copied(root: Path, to: Path) -> Path:
    shutil.copytree(root, to)
    return to


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_named_or_left_out(root: Path, tmp_path: Path, workers: int) -> None:
    folder = copied(root, tmp_path / "images")
    for name in ("train/class0/0.jpg", "val/class1/2.jpg"):
        damage(folder / name)
    plain = AugmentConfig(name="none")
    data = config(folder, workers)
    data.validation_samples = 0
    with pytest.raises(UserError, match=r"train/class0/0\.jpg: unreadable image .*data\.on_error=skip") as raised:
        list(source(data, plain, 0, 4, 4).training_batches(0, 4))
    assert "\n" not in str(raised.value)
    data.on_error = "skip"
    made = source(data, plain, 0, 4, 4)
    with pytest.warns(UserWarning, match=r"0\.jpg: unreadable image left out"):
        batches = list(made.training_batches(0, 8))
    with pytest.warns(UserWarning, match=r"2\.jpg: unreadable image left out"):
        tested = sum(len(batch.labels) for batch in made.evaluation_batches("test", 4))
    assert [len(batch.labels) for batch in batches] == [4] * 8
    assert made.skipped() == {"train": 1, "validation": 0, "test": 1}
    assert tested == made.size("test") == 9


def test_an_empty_class_is_told(root: Path, tmp_path: Path) -> None:
    folder = copied(root, tmp_path / "images")
    (folder / "train" / "class2").mkdir()
    (folder / "val" / "class2").mkdir()
    run = resolved("data=folder", f"data.root={folder}", *SMALL, "data.workers=0")
    assert run.config.data.classes == 3
    with pytest.warns(UserWarning, match=r"data\.classes=3: folder has no training image of 1 of them \(2\)"):
        build_source(run, 2)


def test_training_and_test_folders_have_the_same_classes(root: Path, tmp_path: Path) -> None:
    folder = copied(root, tmp_path / "images")
    (folder / "val" / "class1").rename(folder / "val" / "class9")
    with pytest.raises(UserError, match=r"class class1 is in one of train/ and val/ alone"):
        resolved("data=folder", f"data.root={folder}", *SMALL)


def test_any_folder_is_counted(root: Path) -> None:
    whole = resolved("data=folder", f"data.root={root}", *SMALL).config.data
    assert (whole.classes, whole.train_samples, whole.validation_samples, whole.test_samples) == (2, 15, 1, 10)
    one = resolved("data=folder", f"data.root={root / 'train'}", *SMALL, "data.workers=0")
    assert (one.config.data.train_samples, one.config.data.test_samples) == (14, 1)
    made = build_source(one, 2)
    assert [made.size(split) for split in ("train", "validation", "test")] == [14, 1, 1]
