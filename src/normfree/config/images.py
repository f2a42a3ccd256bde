"""Whether the images of a run are there: looked up before anything expensive starts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from normfree.config.beton import beton_files, read_beton, require_ffcv
from normfree.config.errors import WORKS, UserError
from normfree.config.hub import hub_files, hub_name
from normfree.config.parquet import TEST, TRAIN, Remote, find_parquet, open_parquet
from normfree.config.schema import DataConfig

TRAIN_FOLDER, TEST_FOLDERS = "train", ("val", "test", "validation", "valid")
TORCHVISION_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
"""Where torchvision keeps what it downloads, inside its root."""

PARQUET = ("parquet", "cifar10", "cifar100", "imagenette")
"""Sources that are read from parquet."""

FOLDERS = ("imagenet", "folder")
"""Sources of image files in class folders."""

LOADERS = ("auto", "resident", "workers", "ffcv")


def is_ffcv(data: DataConfig) -> bool:
    """Whether the images come from .beton files."""
    return data.loader == "ffcv" or data.name == "ffcv"


def is_resident(data: DataConfig) -> bool:
    """Whether the images are held in memory: as ``data.loader`` says, or else all but image files in folders."""
    return data.loader == "resident" or (data.loader == "auto" and data.name not in (*FOLDERS, "ffcv"))


_HUB = {
    "cifar10": "the dataset uoft-cs/cifar10 of huggingface.co",
    "cifar100": "the dataset uoft-cs/cifar100 of huggingface.co",
    "imagenette": "imagenette_{size}_train.parquet and imagenette_{size}_val.parquet",
}


def require_images(data: DataConfig) -> None:
    """Look for a data set without reading its images.

    Raises:
        UserError: says where it looked, how to give the place and what works without it.
    """
    if is_ffcv(data):
        require_ffcv()
        for path in beton_files(data.train_file, data.test_file, data.root).values():
            read_beton(path)
    elif data.name in FOLDERS:
        image_folders(data)
    elif data.name in PARQUET and torchvision_root(data) is None:
        for places in parquet_places(data).values():
            for place in places:
                open_parquet(place)


def image_folders(data: DataConfig) -> dict[str, Path]:
    """The folders of ``train`` and ``test``: ``train/`` and ``val/`` (or ``test/``) in ``data.root``.

    With ``data=folder``, ``data.root`` may also hold the class folders itself; then there is no ``test``.

    Raises:
        UserError: as :func:`require_images`.
    """
    give = "give the folder that holds train/ and val/ with data.root=PATH"
    if data.root is None:
        raise UserError(f"data={data.name}: no images, data.root is not set; {give}, or note that {WORKS}")
    root = Path(data.root).expanduser()
    train = root / TRAIN_FOLDER
    test = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), root / TEST_FOLDERS[0])
    if data.name == "folder" and _classes(root) and not train.is_dir():
        return {TRAIN: root}
    for place in (train, test):
        if not _classes(place):
            raise UserError(
                f"data.root={data.root}: no class folders in {place.absolute()}; {give}, or note that {WORKS}"
            )
    names = _classes(train)
    if (other := _classes(test)) != names:
        odd = sorted(names ^ other)[0]
        raise UserError(
            f"data.root={data.root}: class {odd} is in one of {train.name}/ and {test.name}/ alone; "
            "both must have the same class folders"
        )
    return {TRAIN: train, TEST: test}


def _classes(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()


def torchvision_root(data: DataConfig) -> Path | None:
    """Where torchvision's files of CIFAR are, or are to be downloaded to; ``None`` for parquet."""
    folder = TORCHVISION_FOLDERS.get(data.name)
    if folder is None or data.root is None:
        return None
    root = Path(data.root).expanduser()
    if (root / folder).is_dir():
        return root
    if data.root.startswith("hf:"):
        return None
    return root if data.download and not find_parquet(root, data.train_size)[TRAIN] else None


def parquet_files(data: DataConfig) -> dict[str, list[Path]]:
    """The files of ``train`` and ``test`` under ``data.root``, fetched where that is a data set of the hub.

    Raises:
        UserError: as :func:`require_images`, or a file cannot be fetched.
    """
    if (name := hub_name(data.root)) is not None:
        return {split: [file.fetched() for file in files] for split, files in hub_files(name, data.train_size).items()}
    return _local(data)


def parquet_places(data: DataConfig) -> Mapping[str, Sequence[Path | Remote]]:
    """The same, nothing fetched.

    Raises:
        UserError: as :func:`require_images`.
    """
    name = hub_name(data.root)
    return _local(data) if name is None else hub_files(name, data.train_size)


def _local(data: DataConfig) -> dict[str, list[Path]]:
    known = _HUB.get(data.name, "").format(size=data.train_size)
    what = "a parquet file or the folder of train-*.parquet and test-*.parquet" + (f" ({known})" if known else "")
    give = f"give {what} with data.root=PATH"
    if data.name in TORCHVISION_FOLDERS:
        give += ", or add data.download=true to fetch torchvision's files there"
    if data.root is None:
        raise UserError(f"data={data.name}: no images, data.root is not set; {give}, or note that {WORKS}")
    root = Path(data.root).expanduser()
    files = find_parquet(root, data.train_size)
    if not files[TRAIN]:
        raise UserError(
            f"data.root={data.root}: no train-*.parquet or *_train.parquet in {root.absolute()}; "
            f"{give}, or note that {WORKS}"
        )
    return files
