from pathlib import Path

import pytest
import torch
from torchvision.io import write_jpeg

from normfree.config import UserError, require_images
from normfree.config.schema import AugmentConfig, DataConfig
from normfree.data.folder import FolderSource
from normfree.data.mnist5k import mnist5k

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


def test_batches_do_not_depend_on_workers_or_the_point_of_restart(root: Path) -> None:
    whole = list(FolderSource(config(root), PAPER, 3, 4, 3).training_batches(0, 6))
    part = list(FolderSource(config(root, workers=2), PAPER, 3, 4, 3).training_batches(2, 6))
    for one, other in zip(part, whole[2:], strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
    assert whole[0].images.shape == (4, 3, 24, 24)


def test_mixed_labels_are_shares_of_classes(root: Path) -> None:
    batch = next(iter(FolderSource(config(root), PAPER, 0, 4, 3).training_batches(0, 1)))
    assert batch.labels.shape == (4, 2)
    torch.testing.assert_close(batch.labels.sum(1), torch.ones(4))


def test_splits_share_no_image_and_each_is_evaluated_once(root: Path) -> None:
    source = FolderSource(config(root), AugmentConfig(name="none"), 0, 4, 3)
    assert {split: source.size(split) for split in ("train", "validation", "test")} == {
        "train": 12,
        "validation": 4,
        "test": 10,
    }
    assert set(source._train_index.tolist()) | set(source._validation_index.tolist()) == set(range(16))
    counted = [len(batch.labels) for batch in source.evaluation_batches("test", 4)]
    assert counted == [4, 4, 2]


def test_a_missing_root_says_where_it_looked_and_what_works(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root is not set.*data\.root=PATH.*mnist5k.*works now"):
        require_images(config(None))
    with pytest.raises(UserError, match=rf"no class folders in {tmp_path / 'train'}.*data\.root=PATH"):
        require_images(config(tmp_path))


def test_another_number_of_classes_is_one_line(root: Path) -> None:
    with pytest.raises(UserError, match=r"data\.classes=10: .* has 2 class folders; set data\.classes=2"):
        FolderSource(config(root, classes=10), PAPER, 0, 4, 3)


def test_a_corrupt_image_is_named(root: Path, tmp_path: Path) -> None:
    for place in ("train", "val"):
        for label in (0, 1):
            folder = tmp_path / place / f"class{label}"
            folder.mkdir(parents=True)
            (folder / "bad.jpg").write_bytes((root / "train" / "class0" / "0.jpg").read_bytes()[:200])
    data = config(tmp_path)
    data.validation_samples = 0
    with pytest.raises(UserError, match=r"bad\.jpg: unreadable image"):
        list(FolderSource(data, AugmentConfig(name="none"), 0, 2, 1).training_batches(0, 1))
