"""Which parquet files hold which split, by their names."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, Generic, NamedTuple, TypeVar

from normfree.config.errors import UserError
from normfree.config.sources.reading import LeftOut, listed
from normfree.config.sources.words import TEST, TRAIN, VALIDATION, is_system, split_of, split_word

_DEEP = 2
"""Folders below the one that is given."""
_FOLDS = frozenset(("fold", "cv", "split"))
_COUNTERS = frozenset(("part", "shard", "chunk", "file", "batch", "fold", "split", "c", "p"))
_HASH_LENGTHS = frozenset((4, 8, 12, 16, 32, 40, 64))

Error = Callable[[str], UserError]
_Name = TypeVar("_Name", bound=PurePath)


class Shards(NamedTuple, Generic[_Name]):
    """Files of each split (``train`` and ``test`` always, ``validation`` where it has its own), and the rest."""

    splits: dict[str, list[_Name]]
    left_out: list[LeftOut]


class _Shard(NamedTuple, Generic[_Name]):
    """What a file's name says.

    ``sizes``: numbers before the split's word; those after it count files. ``key``: the words that name the set.
    """

    file: _Name
    split: str
    key: tuple[str, ...]
    before: tuple[str, ...]
    number: int | None
    total: int | None


def find_parquet(root: Path, size: int) -> dict[str, list[Path]]:
    """Files of the training images and, where there are any, of the test images, in files of several image sizes.

    ``root`` is a file, or a folder with ``train-*.parquet`` or ``*_train.parquet`` in it or in a folder below. Where
    files of several image sizes lie side by side (``name_64_train.parquet``), those of ``size`` are taken, else the
    next larger ones, else the largest. Nothing found is an empty list.
    """
    return shards_in(root, size).splits


def shards_in(root: Path, size: int | None, side: Callable[[Path], int] | None = None) -> Shards[Path]:
    """The same, with what is left out.

    Args:
        size: ``None`` where numbers in the names are no sizes, unless ``side`` says so.
        side: of the first image of a file; numbers that are their own images' sides are sizes.

    Raises:
        UserError: two sets lie side by side, a set is incomplete, or a name cannot be understood.
    """
    if root.is_file():
        _refuse_test(root)
        return Shards({TRAIN: [root], TEST: []}, _siblings(root))
    found = {path.relative_to(root): path for path in _files(root)}
    sides = None if side is None else lambda name: side(found[name])
    shards = choose(list(found), size, refusal(root), sides, str(root))
    return Shards({split: [found[name] for name in names] for split, names in shards.splits.items()}, shards.left_out)


def refusal(root: Path) -> Error:
    """Errors about a folder."""
    return lambda text: UserError(f"data.root={root}: {text}")


def choose(
    names: Sequence[Any],
    size: int | None,
    error: Error,
    side: Callable[[Any], int] | None = None,
    within: str = "",
) -> Shards[Any]:
    """Of files by their names, those of each split.

    Args:
        size, side: as for :func:`shards_in`.
        error: makes the error of a line.
        within: what ``data.root`` says.
    """
    folders: dict[str, list[_Shard[PurePath]]] = defaultdict(list)
    left_out = []
    for name in names:
        folder, shard = _understood(name, error)
        if shard is None:
            left_out.append(LeftOut(name.as_posix(), "no split in its name"))
        else:
            folders[folder].append(shard)
    training = [folder for folder, shards in folders.items() if any(shard.split == TRAIN for shard in shards)]
    chosen = "" if "" in training else training[0] if len(training) == 1 else None
    if chosen is None and training:
        first = sorted(training)[0]
        raise error(
            f"parquet files in several folders ({listed(sorted(training))}); "
            f"name one, such as data.root={within}/{first}"
        )
    if chosen is None:
        return Shards({TRAIN: [], TEST: []}, left_out)
    for folder, shards in folders.items():
        if folder != chosen:
            left_out += [LeftOut(shard.file.as_posix(), "in another folder") for shard in shards]
    return _one_set(folders[chosen], left_out, size, error, side)


def _one_set(
    shards: list[_Shard[PurePath]],
    left_out: list[LeftOut],
    size: int | None,
    error: Error,
    side: Callable[[PurePath], int] | None,
) -> Shards[PurePath]:
    shards, others = _of_size(shards, size, side)
    left_out += [LeftOut(shard.file.as_posix(), "another image size", asked_for=True) for shard in others]
    keys = sorted({shard.key for shard in shards if shard.split == TRAIN})
    if len(keys) > 1:
        raise error(
            f"training files of several sets side by side "
            f"({listed('_'.join(key) or 'train' for key in keys)}); give one file, or a folder that holds one set"
        )
    splits: dict[str, list[_Shard[PurePath]]] = {}
    for split in (TRAIN, VALIDATION, TEST):
        of_split = [shard for shard in shards if shard.split == split]
        own = [shard for shard in of_split if shard.key == keys[0]]
        if not own and len({shard.key for shard in of_split}) > 1:
            raise error(
                f"{split} files of several sets side by side "
                f"({listed(shard.file.as_posix() for shard in of_split)}); give a folder that holds one set"
            )
        splits[split] = own or of_split
        left_out += _gap(splits[split])
        left_out += [LeftOut(s.file.as_posix(), "of another set") for s in of_split if own and s not in own]
        _complete(splits[split], error)
    _refuse_folds(splits, error)
    if not splits[TEST]:
        splits[TEST] = splits.pop(VALIDATION)
    files = {split: sorted(shard.file for shard in splits.get(split, [])) for split in (TRAIN, VALIDATION, TEST)}
    if not files[VALIDATION]:
        del files[VALIDATION]
    return Shards(files, left_out)


def _of_size(
    shards: list[_Shard[PurePath]], size: int | None, side: Callable[[PurePath], int] | None
) -> tuple[list[_Shard[PurePath]], list[_Shard[PurePath]]]:
    """Those of the image size that is asked for, and the others; of no known sizes, all."""
    numbers = {shard: [int(part) for part in shard.before if part.isdigit()] for shard in shards}
    numbered = [shard for shard in shards if numbers[shard]]
    if not numbered or size is None:
        return shards, []
    if side is not None and not (
        len({number for each in numbers.values() for number in each}) > 1
        and all(side(shard.file) in numbers[shard] for shard in numbered)
    ):
        return shards, []
    sizes = sorted({number for shard in numbered if shard.split == TRAIN for number in numbers[shard]})
    if not sizes:
        return shards, []
    nearest = next((number for number in sizes if number >= size), sizes[-1])
    taken = [shard for shard in numbered if nearest in numbers[shard]]
    return taken, [shard for shard in shards if shard not in taken]


def _complete(shards: list[_Shard[PurePath]], error: Error) -> None:
    """A set that says of how many files it is has them all, each once."""
    counted = [shard for shard in shards if shard.total is not None]
    totals = sorted({shard.total for shard in counted if shard.total is not None})
    if len(totals) > 1:
        raise error(
            f"files of several sets side by side (of {', '.join(map(str, totals))} files); "
            "give a folder that holds one set"
        )
    seen: dict[tuple[object, ...], PurePath] = {}
    for shard in counted:
        place = (shard.number, *(part for part in shard.before if part.isdigit()))
        if place in seen:
            raise error(f"{seen[place].name} and {shard.file.name} are the same part of two sets; remove one")
        seen[place] = shard.file
    numbers = {shard.number for shard in counted}
    for total in totals:
        first = 1 if total in numbers else 0
        missing = [number for number in range(first, first + total) if number not in numbers]
        if missing:
            raise error(
                f"{len(numbers)} of {total} files, number {listed(map(str, missing))} is missing "
                f"beside {counted[0].file.name}; fetch the set again"
            )


def _gap(shards: list[_Shard[PurePath]]) -> list[LeftOut]:
    """Numbers that are missing in a row from 0 or 1 on; without a total it is not known whether files are."""
    last = {shard.file.name: re.findall(r"\d+", shard.file.stem)[-1:] for shard in shards}
    numbers = {int(found[0]): name for name, found in last.items() if found}
    if len(shards) < 2 or len(numbers) < len(shards) or min(numbers) > 1 or any(shard.total for shard in shards):
        return []
    missing = [number for number in range(min(numbers), max(numbers)) if number not in numbers]
    if not missing or len(missing) > len(numbers):
        return []
    between = f"not there, between {numbers[min(numbers)]} and {numbers[max(numbers)]}"
    return [LeftOut(f"number {listed(map(str, missing))}", between, len(missing))]


def _refuse_folds(splits: dict[str, list[_Shard[PurePath]]], error: Error) -> None:
    """The folds of a cross-validation test on one another's training images."""
    for split in (TRAIN, VALIDATION, TEST):
        folds = {shard.before for shard in splits[split] if set(map(_letters, shard.before)) & _FOLDS}
        if split != TRAIN and splits[TRAIN] and len(folds) > 1:
            raise error(
                f"several folds with files of their own for {split}, which are training images of "
                "the other folds; give a folder that holds one fold"
            )


def _understood(name: PurePath, error: Error) -> tuple[str, _Shard[PurePath] | None]:
    """The folder of a file, and what its name says. A folder called as a split goes into the name."""
    *parents, last = name.parts
    stem = last.rpartition(".")[0]
    folder_split = split_of(parents[-1]) if parents else None
    if folder_split is not None:
        parents.pop()
    parts = [part for part in re.split(r"[-_ .]+", stem) if part]
    places = [place for place, part in enumerate(parts) if split_word(part)]
    said = {split_word(parts[place]) for place in places} | ({folder_split} - {None})
    if len(said) > 1:
        raise error(f"{name.as_posix()} is called as two splits; rename it to one of train, validation, test")
    folder = "/".join(parents)
    split = said.pop() if said else None
    if split is None:
        return folder, None
    at = places[0] if places else 0
    before = tuple(part.lower() for part in parts[:at])
    key = tuple(part.lower() for place, part in enumerate(parts) if place not in places and _names_a_set(part))
    found = re.search(r"(\d+)[-_ ]of[-_ ](\d+)", stem)
    number, total = (int(found[1]), int(found[2])) if found else (None, None)
    return folder, _Shard(name, split, key, before, number, total)


def _names_a_set(part: str) -> bool:
    """A word such as ``cifar10``; not a number, a letter or ``part7`` that counts, a hash or ``of``."""
    word = part.lower()
    hashed = len(word) in _HASH_LENGTHS and re.fullmatch(r"[0-9a-f]*[0-9][0-9a-f]*", word) is not None
    counts = word != (letters := _letters(word)) and letters in _COUNTERS
    return len(word) > 1 and not word.isdigit() and word not in ("of", *_COUNTERS) and not hashed and not counts


def _letters(part: str) -> str:
    return part.rstrip("0123456789")


def _files(root: Path) -> Iterable[Path]:
    for folder, inner, files in os.walk(root):
        deep = len(Path(folder).relative_to(root).parts)
        inner[:] = sorted(name for name in inner if not is_system(name)) if deep < _DEEP else []
        for name in sorted(files):
            if name.lower().endswith(".parquet") and not is_system(name):
                yield Path(folder, name)


def _refuse_test(file: Path) -> None:
    """A single file is trained on, and what it is called as must not say otherwise."""
    said = {split for part in re.split(r"[-_ .]+", file.stem) if (split := split_word(part))}
    if said and TRAIN not in said:
        raise refusal(file)(
            f"called as the {said.pop()} split, and would be trained on; give its folder, or a file of another name"
        )


def _siblings(file: Path) -> list[LeftOut]:
    """Other parts of the set that a single file is of."""
    found = re.search(r"(\d+)[-_ ]of[-_ ](\d+)", file.stem)
    if found is None or int(found[2]) < 2:
        return []
    return [LeftOut(f"{int(found[2]) - 1} other files of its set", "data.root names one file", int(found[2]) - 1)]
