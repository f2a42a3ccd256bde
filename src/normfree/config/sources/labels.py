"""Labels of parquet files: class numbers that mean the same in every file, by the names of the classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from normfree.config.errors import UserError
from normfree.config.sources.parquet_schema import Remote, class_names, label_column, open_parquet
from normfree.config.sources.words import TRAIN

if TYPE_CHECKING:
    import numpy as np

MOST_CLASSES = 1_000_000


def names_of(files: Mapping[str, Sequence[Path | Remote]]) -> list[str]:
    """The classes as the training files name them, in the order of the first one; empty where no file has names.

    Raises:
        UserError: files name other classes, or some name none: their numbers could mean anything.
    """
    every = [(split, path, class_names(open_parquet(path))) for split, paths in files.items() for path in paths]
    first = next((names for split, _, names in every if split == TRAIN and names), None)
    if first is None and not any(names for _, _, names in every):
        return []
    named = next(path for _, path, names in every if names)
    for split, path, names in every:
        if not names:
            raise UserError(
                f"{path}: names no classes and {_name(named)} does: their labels may mean others; "
                "write the names into every file"
            )
        if len(set(names)) < len(names):
            raise UserError(f"{path}: two classes of one name ({_twice(names)}); give them names of their own")
        assert first is not None or split != TRAIN
        odd = set(names) - set(first or names) if split != TRAIN else set(names) ^ set(first or names)
        if odd:
            raise UserError(
                f"{path}: class {sorted(odd)[0]} is not in all files; {_name(named)} names "
                f"{len(first or [])} classes and this one {len(names)}: give files of one data set"
            )
    return first or []


def labels_of(path: Path | Remote, names: Sequence[str]) -> "np.ndarray[Any, Any]":
    """int64 ``[rows]``: places in ``names`` of the classes that the file means.

    Raises:
        UserError: the file is damaged, labels are missing, or a label has no name.
    """
    import numpy as np

    file = open_parquet(path)
    try:
        column = file.read(columns=[label_column(file, path)]).column(0)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged ({str(error).splitlines()[0]}); fetch it again") from error
    if column.null_count:
        raise UserError(f"{path}: {column.null_count} of {len(column)} labels are missing; remove those rows")
    labels: np.ndarray[Any, Any] = column.to_numpy().astype(np.int64)
    own = class_names(file)
    if not own:
        return labels
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(own)):
        wrong = int(labels.min()) if labels.min() < 0 else int(labels.max())
        raise UserError(f"{path}: label {wrong} has no name among its {len(own)} classes; write the file anew")
    if not names or list(own) == list(names):
        return labels
    places = {name: place for place, name in enumerate(names)}
    translated: np.ndarray[Any, Any] = np.array([places[name] for name in own], np.int64)[labels]
    return translated


def number_of_classes(files: Sequence[Path | Remote]) -> int:
    """The largest label and one.

    Raises:
        UserError: as :func:`labels_of`; or so many cannot be meant.
    """
    largest = [int(labels.max()) for path in files if len(labels := labels_of(path, []))]
    count = max(largest, default=-1) + 1
    if count > MOST_CLASSES:
        raise UserError(f"{files[0]}: label {count - 1} is no class number; labels must be whole numbers from 0")
    return count


def _name(path: Path | Remote) -> str:
    return str(path).rpartition("/")[2]


def _twice(names: Sequence[str]) -> str:
    return next(name for place, name in enumerate(names) if name in names[:place])
