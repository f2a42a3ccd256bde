"""data=folder and data=imagenet: image files in class folders."""

import os
from pathlib import Path

from normfree.config.errors import WORKS, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.folder_listing import EXTENSIONS, Listing, list_folders, subfolders
from normfree.config.sources.look import Look, look_at_files
from normfree.config.sources.reading import Reading, listed, remembered
from normfree.config.sources.source import DataSource, given_root
from normfree.config.sources.words import TEST, TRAIN, VALIDATION, split_of, splits_within
from normfree.host.wording import counted


class FolderSource(DataSource):
    """``data.root`` holds a folder a split (``train/``, ``val/``, ``test/``), and these hold a folder a class.

    Of ``val/`` and ``test/`` a single one is the test; with both, ``val/`` is the validation split.
    """

    names = ("folder",)
    any_set = True
    resident = False
    own_size = False
    photographs = True
    layout = "data.root holds CLASS/IMAGES, or train/CLASS/IMAGES and test/CLASS/IMAGES"
    give = "give the folder that holds CLASS/IMAGES, or train/CLASS/IMAGES and test/CLASS/IMAGES, with data.root=PATH"
    flat = True
    """``data.root`` may hold the class folders itself; then validation and test are cut from them."""

    def requires(self, data: DataConfig) -> None:
        self.reads(data).refuse_broken(data.on_error)

    def reads(self, data: DataConfig) -> Reading:
        root = Path(data.root or ".").expanduser()
        return remembered(("folder reading", str(root)), lambda: self.listing(data).reading(root))

    def look(self, data: DataConfig) -> Look:
        parts = self.listing(data).parts.values()
        paths, sizes = [path for part in parts for path in part.paths], [size for part in parts for size in part.sizes]
        return remembered((self.names, "look", data.root), lambda: look_at_files(paths, sizes))

    def reader(self, data: DataConfig) -> str:
        return "folder"

    def listing(self, data: DataConfig) -> Listing:
        """Every image.

        Raises:
            UserError: as :meth:`requires`.
        """
        root = given_root(data, self.give)
        return remembered(("folder", self.flat, str(root)), lambda: self._list(data, root))

    def _list(self, data: DataConfig, root: Path) -> Listing:
        here = subfolders(root)
        splits = _splits(data, root, here)
        others = [name for name in here if split_of(name) is None]
        if self.flat and others and TRAIN not in splits:
            if splits:
                raise UserError(
                    f"data.root={data.root}: {listed(f'{path.name}/' for path in splits.values())} beside class "
                    f"folders ({listed(others)}); put these into train/"
                )
            if len(others) == 1 and any(split_of(name) == TRAIN for name in subfolders(root / others[0])):
                raise UserError(
                    f"data.root={data.root}: the splits lie one folder below; give data.root={root / others[0]}"
                )
            listing = list_folders({TRAIN: root}, root, [])
            _refuse_nearly_splits(data, listing)
            return listing
        folders = {TRAIN: splits.get(TRAIN, root / "train")}
        folders |= {split: splits[split] for split in (VALIDATION, TEST) if split in splits}
        if VALIDATION in folders and TEST in folders:
            # Test images without classes, as many sets give them away, are no test.
            for split in (TEST, VALIDATION):
                if not subfolders(folders[split]):
                    others.append(folders.pop(split).name)
                    break
        if TEST not in folders:
            folders[TEST] = folders.pop(VALIDATION, root / "val")
        for place in folders.values():
            if not subfolders(place):
                where = place.absolute() if splits else "it"
                instead = _images_in(place if splits else root)
                raise UserError(
                    f"data.root={data.root}: no class folders in {where}{instead}; {self.give}, or note that {WORKS}"
                )
        train = folders[TRAIN]
        names = set(subfolders(train))
        for place in folders.values():
            if odd := sorted(names ^ set(subfolders(place))):
                raise UserError(
                    f"data.root={data.root}: class {odd[0]} is in one of {train.name}/ and {place.name}/ alone; "
                    "both must have the same class folders"
                )
        return list_folders(folders, root, others)


class ImageNetSource(FolderSource):
    names = ("imagenet",)
    any_set = False
    flat = False
    give = "give the folder that holds train/ and val/ with data.root=PATH"


def _images_in(place: Path) -> str:
    """What may lie there in place of class folders."""
    images = sum(name.lower().endswith(EXTENSIONS) for name in os.listdir(place)) if place.is_dir() else 0
    return f", but {counted(images, 'image')}" if images else ""


def _refuse_nearly_splits(data: DataConfig, listing: Listing) -> None:
    """``seg_train/`` and ``val2017/`` with class folders in them are no classes; a class has images of its own."""
    with_images = {os.path.basename(os.path.dirname(path)) for path in listing.parts[TRAIN].paths}
    said = {name: splits_within(name) for name in listing.classes if name not in with_images}
    if any(TRAIN in splits for splits in said.values()) and any(splits - {TRAIN} for splits in said.values()):
        first = next(name for name, splits in said.items() if TRAIN in splits)
        raise UserError(
            f"data.root={data.root}: {listed(f'{name}/' for name, splits in said.items() if splits)} hold class "
            f"folders and are called nearly as splits; rename them to train/ and test/ ({first}/ to train/)"
        )


def _splits(data: DataConfig, root: Path, names: list[str]) -> dict[str, Path]:
    """The folders that are called as splits."""
    found: dict[str, Path] = {}
    for name in names:
        split = split_of(name)
        if split is None:
            continue
        if split in found:
            raise UserError(
                f"data.root={data.root}: {found[split].name}/ and {name}/ are both the {split} split; "
                "remove or rename one"
            )
        found[split] = root / name
    return found


SOURCES = (ImageNetSource(), FolderSource())
