"""Image files in class folders: every one is found, labelled by its folder, and what is left out is known."""

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from normfree.config.errors import UserError
from normfree.config.sources.reading import Digest, LeftOut, Reading, listed
from normfree.config.sources.words import TRAIN, is_system, split_of

EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".bmp", ".dib", ".pgm", ".pbm", ".pnm", ".tif", ".tiff", ".webp",
    ".gif", ".jp2", ".tga", ".avif",
)  # fmt: skip
"""Of image files that are read, in any case; others are counted as left out."""

_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_Id = tuple[int, int]


@dataclass
class Part:
    """The images of one split: path, label and bytes of each, -1 where it cannot be read."""

    folder: Path
    paths: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


@dataclass
class Listing:
    """What lies in the folders of the splits."""

    classes: list[str]
    parts: dict[str, Part]
    system: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    suffixes: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    broken: list[LeftOut] = field(default_factory=list)

    def reading(self, root: Path) -> Reading:
        """With its digest."""
        images = {split: len(part.paths) for split, part in self.parts.items()}
        empty = {split: self._empty(part) for split, part in self.parts.items()}
        return Reading(
            classes=self.classes,
            images=images,
            digest=self._digest(),
            files=sum(images.values()),
            places={split: os.path.relpath(part.folder, root) for split, part in self.parts.items()},
            empty={split: names for split, names in empty.items() if names},
            left_out=tuple(self._left_out()),
            broken=tuple(self.broken),
        )

    def _empty(self, part: Part) -> list[str]:
        there = set(part.labels)
        return [name for label, name in enumerate(self.classes) if label not in there]

    def _left_out(self) -> list[LeftOut]:
        found = []
        if self.system:
            names = sorted(set(self.system))
            found.append(LeftOut(listed(names), "hidden or of a system", len(self.system)))
        if self.beside:
            found.append(LeftOut(listed(f"{name}/" for name in self.beside), "no split", len(self.beside)))
        if self.outside:
            found.append(LeftOut(f"{self.outside} images", "outside of class folders", self.outside))
        if self.suffixes:
            kinds = listed(f"{count} {suffix or 'without suffix'}" for suffix, count in self.suffixes.most_common())
            found.append(LeftOut(kinds, "not image files that are read", self.suffixes.total()))
        return found

    def _digest(self) -> str:
        digest = Digest(self.classes)
        for split, part in self.parts.items():
            start = len(str(part.folder)) + 1
            for path, label, size in zip(part.paths, part.labels, part.sizes, strict=True):
                digest.add(split, path[start:], label, size)
        total = sum(sum(part.sizes) for part in self.parts.values())
        whole = (zip(part.paths, part.sizes, strict=True) for part in self.parts.values())
        digest.contents((Path(path) for part in whole for path, size in part if size >= 0), total)
        return digest.finished()


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in it, links to folders too, but for those of a system."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if not is_system(entry.name) and _is_folder(entry))
    except NotADirectoryError:
        return []
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); give a folder that can") from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def list_folders(folders: dict[str, Path], root: Path, beside: list[str]) -> Listing:
    """The images of each split, in the order of torchvision's ImageFolder; nothing is opened.

    Args:
        folders: split -> folder of the class folders, of which those of ``train`` name the classes.
        beside: folders in ``root`` that are no split.

    Raises:
        UserError: a class folder holds splits, or what a folder holds cannot be listed.
    """
    listing = Listing(subfolders(folders[TRAIN]), {split: Part(folder) for split, folder in folders.items()})
    listing.beside = beside
    for part in listing.parts.values():
        _Walk(listing, part).classes(root)
    if root not in folders.values():
        listing.system += [entry.name for entry in os.scandir(root) if is_system(entry.name)]
    return listing


class _Walk:
    """One split's folder."""

    def __init__(self, listing: Listing, part: Part) -> None:
        self._listing, self._part = listing, part
        self._found: list[tuple[str, list[tuple[str, int]]]] = []

    def classes(self, root: Path) -> None:
        above = (_identity(root), _identity(self._part.folder))
        labels = {name: label for label, name in enumerate(self._listing.classes)}
        folders: list[str] = []
        for entry in _entries(str(self._part.folder), self._listing):
            kind, _ = self._look(entry)
            if kind == "folder":
                folders.append(entry.name)
            elif kind == "image":
                self._listing.outside += 1
            elif kind == "other":
                self._listing.suffixes[_suffix(entry.name)] += 1
        for name in sorted(folders):
            self._found = []
            self._folder(os.path.join(self._part.folder, name), above, top=True)
            # The order of sorted(os.walk()), which decides what a random split holds.
            for folder, files in sorted(self._found):
                for file, size in sorted(files):
                    self._part.paths.append(os.path.join(folder, file))
                    self._part.labels.append(labels[name])
                    self._part.sizes.append(size)

    def _folder(self, folder: str, above: tuple[_Id, ...], top: bool = False) -> None:
        here = _identity(Path(folder))
        if here in above:
            self._listing.broken.append(LeftOut(folder, "a link to a folder that it lies in"))
            return
        files, inner = [], []
        for entry in _entries(folder, self._listing):
            kind, size = self._look(entry)
            if kind == "folder":
                inner.append(entry.path)
            elif kind == "image":
                files.append((entry.name, size))
            elif kind == "other":
                self._listing.suffixes[_suffix(entry.name)] += 1
        splits = {split_of(os.path.basename(path)) for path in inner} - {None}
        if top and TRAIN in splits and len(splits) > 1:
            raise UserError(
                f"{folder}: a class folder that holds {listed(os.path.basename(path) + '/' for path in inner)}; "
                "splits go above classes: train/CLASS/, test/CLASS/"
            )
        self._found.append((folder, files))
        for path in inner:
            self._folder(path, (*above, here))

    def _look(self, entry: "os.DirEntry[str]") -> tuple[str, int]:
        """folder, image, other or broken (which is noted); a broken image is one of -1 bytes."""
        suffix = _suffix(entry.name)
        try:
            found = entry.stat()
        except OSError as error:
            if suffix and suffix not in EXTENSIONS:
                return "other", 0
            self._listing.broken.append(LeftOut(entry.path, _why(error)))
            return ("image", -1) if suffix else ("broken", 0)
        if stat.S_ISDIR(found.st_mode):
            return "folder", 0
        if suffix not in EXTENSIONS:
            return "other", 0
        if not stat.S_ISREG(found.st_mode):
            self._listing.broken.append(LeftOut(entry.path, f"{_KINDS.get(stat.S_IFMT(found.st_mode))}, no file"))
            return "image", -1
        return "image", found.st_size


def _entries(folder: str, listing: Listing) -> list["os.DirEntry[str]"]:
    """Without those of a system, which are noted, as is a folder that cannot be read."""
    try:
        with os.scandir(folder) as found:
            every = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        listing.broken.append(LeftOut(folder, _why(error)))
        return []
    listing.system += [entry.name for entry in every if is_system(entry.name)]
    return [entry for entry in every if not is_system(entry.name)]


def _identity(folder: Path) -> _Id:
    try:
        found = os.stat(folder)
    except OSError:
        return (-1, -1)
    return found.st_dev, found.st_ino


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _why(error: OSError) -> str:
    known = {errno.ENOENT: "a link that leads nowhere", errno.ELOOP: "a loop of links"}
    return known.get(error.errno or 0) or error.strerror or type(error).__name__
