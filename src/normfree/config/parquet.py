"""Hugging Face image parquet: which files hold which split, and what their schemas tell, without reading an image."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from normfree.config.errors import UserError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "fine_label")
TRAIN, TEST = "train", "test"
_WORDS = {TRAIN: (("train",),), TEST: (("test",), ("validation", "valid", "val"))}
"""How file names call a split; of the second the first words that any file has are taken."""

SPLIT_WORDS = frozenset(word for choices in _WORDS.values() for choice in choices for word in choice)

_Name = TypeVar("_Name", bound=PurePath)


class Remote(Protocol):
    """A file elsewhere, which can be read in parts."""

    def open(self) -> Any:
        """As a binary file."""
        ...


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


def open_parquet(path: Path | Remote) -> "pq.ParquetFile":
    """The file with its schema read.

    Raises:
        UserError: not a parquet file, or without a column of images or of labels.
    """
    # 0.2 s, and only runs on parquet need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path if isinstance(path, Path) else path.open())
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a readable parquet file ({_first_line(error)}); fetch it again") from error
    image_column(file, path)
    label_column(file, path)
    return file


def image_column(file: "pq.ParquetFile", path: Path | Remote) -> str:
    """The column of encoded images: binary, or a struct with ``bytes``."""
    import pyarrow as pa

    name = _column(file, path, IMAGE_COLUMNS, "images")
    kind = file.schema_arrow.field(name).type
    inner = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(inner) or pa.types.is_large_binary(inner)):
        raise UserError(f"{path}: column {name} holds {kind}, not encoded images; it must be binary or have bytes")
    return name


def label_column(file: "pq.ParquetFile", path: Path | Remote) -> str:
    """The column of class numbers."""
    import pyarrow as pa

    name = _column(file, path, LABEL_COLUMNS, "labels")
    if not pa.types.is_integer(kind := file.schema_arrow.field(name).type):
        raise UserError(f"{path}: column {name} holds {kind}; labels must be whole numbers from 0")
    return name


def _column(file: "pq.ParquetFile", path: Path | Remote, names: tuple[str, ...], content: str) -> str:
    there = file.schema_arrow.names
    for name in names:
        if name in there:
            return name
    raise UserError(
        f"{path}: no column of {content}; it must be called {' or '.join(names)}, and the file has {', '.join(there)}"
    )


def class_names(file: "pq.ParquetFile") -> list[str]:
    """From the schema's metadata: Hugging Face's features, or ``class_names`` joined by bars; else empty."""
    metadata: dict[bytes, bytes] = file.schema_arrow.metadata or {}
    if b"huggingface" in metadata:
        try:
            features: Any = json.loads(metadata[b"huggingface"])["info"]["features"]
        except (ValueError, KeyError, TypeError):
            features = {}
        for name in LABEL_COLUMNS:
            if isinstance(features, dict) and isinstance(features.get(name), dict) and features[name].get("names"):
                return [str(each) for each in features[name]["names"]]
    joined = metadata.get(b"class_names", b"").decode(errors="replace")
    return joined.split("|") if joined else []


def holds_jpeg(path: Path | Remote) -> bool:
    """Whether the first image is a JPEG."""
    file = open_parquet(path)
    for batch in file.iter_batches(1, columns=[image_column(file, path)]):
        first = batch.column(0)[0].as_py()
        content = first["bytes"] if isinstance(first, dict) else first
        return bool(content) and content.startswith(b"\xff\xd8")
    return False


def count_rows(files: Sequence[Path | Remote]) -> int:
    """Images in all files together."""
    return sum(open_parquet(path).metadata.num_rows for path in files)


def count_classes(files: Sequence[Path | Remote]) -> int:
    """From the names in the metadata, else the largest label and one."""
    names = class_names(open_parquet(files[0]))
    return len(names) if names else max(label for path in files for label in _labels(path)) + 1


def _labels(path: Path | Remote) -> Iterator[int]:
    import pyarrow.compute as pc

    file = open_parquet(path)
    column = file.read(columns=[label_column(file, path)]).column(0)
    if len(column):
        yield int(pc.max(column).as_py() or 0)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
