"""Which parquet files hold which split, by their names."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TypeVar

TRAIN, TEST = "train", "test"
_WORDS = {TRAIN: (("train",),), TEST: (("test",), ("validation", "valid", "val"))}
"""How file names call a split; of the second the first words that any file has are taken."""

SPLIT_WORDS = frozenset(word for choices in _WORDS.values() for choice in choices for word in choice)

_Name = TypeVar("_Name", bound=PurePath)


def find_parquet(root: Path, size: int) -> dict[str, list[Path]]:
    """Files of the training images and, where there are any, of the test images.

    ``root`` is a file, or a folder with ``train-*.parquet`` or ``*_train.parquet`` in it or one folder below. Where
    files of several image sizes lie side by side (``name_64_train.parquet``), those of ``size`` are taken, else the
    next larger ones, else the largest. Nothing found is an empty list.
    """
    if root.is_file():
        return {TRAIN: [root], TEST: []}
    for pattern in ("*.parquet", "*/*.parquet"):
        files = sorted(root.glob(pattern)) if root.is_dir() else []
        if (found := of_splits(files, size))[TRAIN]:
            return found
    return {TRAIN: [], TEST: []}


def of_splits(files: Sequence[_Name], size: int) -> dict[str, list[_Name]]:
    """Of files in one folder, those of the training and of the test images, by their names."""
    return {split: _of_split(files, words, size) for split, words in _WORDS.items()}


def _of_split(files: Sequence[_Name], choices: tuple[tuple[str, ...], ...], size: int) -> list[_Name]:
    for words in choices:
        named = [path for path in files if set(words) & set(_parts(path))]
        if sizes := sorted({found for path in named for found in _sizes(path)}):
            nearest = next((found for found in sizes if found >= size), sizes[-1])
            return [path for path in named if nearest in _sizes(path)]
        if named:
            return named
    return []


def _sizes(path: PurePath) -> set[int]:
    """Image sizes in a file's name: numbers before the split's word; those after it count files."""
    parts = _parts(path)
    place = next(number for number, part in enumerate(parts) if part in SPLIT_WORDS)
    return {int(part) for part in parts[:place] if part.isdigit()}


def _parts(path: PurePath) -> list[str]:
    return path.stem.lower().replace("-", "_").split("_")
