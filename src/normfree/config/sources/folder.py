"""data=folder and data=imagenet: image files in class folders."""

import os
from pathlib import Path

from normfree.config.errors import WORKS, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.source import Counts, DataSource

TRAIN_FOLDER, TEST_FOLDERS = "train", ("val", "test", "validation", "valid")

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Of image files, as torchvision reads them."""


class FolderSource(DataSource):
    names = ("folder",)
    any_set = True
    resident = False
    own_size = False
    photographs = True
    flat = True
    """``data.root`` may hold the class folders itself; then there is no ``test``."""

    def requires(self, data: DataConfig) -> None:
        self.folders(data)

    def counts(self, data: DataConfig) -> Counts:
        folders = self.folders(data)
        counts = {split: _count_images(folder) for split, folder in folders.items()}
        classes = sum(entry.is_dir() for entry in folders["train"].iterdir())
        return Counts(classes, counts["train"], counts.get("test"))

    def reader(self, data: DataConfig) -> str:
        return "folder"

    def folders(self, data: DataConfig) -> dict[str, Path]:
        """The folders of ``train`` and ``test``: ``train/`` and ``val/`` (or ``test/``) in ``data.root``.

        Raises:
            UserError: as :meth:`requires`.
        """
        give = "give the folder that holds train/ and val/ with data.root=PATH"
        if data.root is None:
            raise UserError(f"data={data.name}: no images, data.root is not set; {give}, or note that {WORKS}")
        root = Path(data.root).expanduser()
        train = root / TRAIN_FOLDER
        test = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), root / TEST_FOLDERS[0])
        if self.flat and _classes(root) and not train.is_dir():
            return {"train": root}
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
        return {"train": train, "test": test}


class ImageNetSource(FolderSource):
    names = ("imagenet",)
    any_set = False
    flat = False


def _classes(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()


def _count_images(folder: Path) -> int:
    return sum(name.lower().endswith(EXTENSIONS) for _, _, names in os.walk(folder, followlinks=True) for name in names)
