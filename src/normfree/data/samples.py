"""Encoded images with labels, as they lie on disk: what every loader reads."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from normfree.config import UserError
from normfree.config.sources.folder_listing import Part, list_folders
from normfree.config.sources.labels import labels_of, names_of
from normfree.config.sources.parquet_schema import image_column, open_parquet
from normfree.config.sources.words import TRAIN
from normfree.data.patience import read_patiently

MOST_BYTES = 2**30
"""Of one encoded image: a larger file is none."""


class Samples(Protocol):
    """Images by their index.

    Attributes:
        labels: int64 ``[n]``.
    """

    labels: Tensor

    @property
    def files(self) -> list[Path]:
        """What a cached decoding depends on."""
        ...

    def prepare(self) -> None:
        """Hold in memory what processes that are forked later share."""
        ...

    def read(self, index: int) -> bytes | Image.Image:
        """The image, encoded unless it comes from a data set of the user's own.

        Raises:
            ValueError: it is not there or cannot be read.
        """
        ...

    def where(self, index: int) -> str:
        """Its path, and its row in a file of many."""
        ...


class FolderSamples:
    """Image files in class folders; the labels are the alphabetical order of the folders of ``train``.

    Args:
        listed: the images of a split, or the folder of its class folders.
    """

    def __init__(self, listed: Part | Path) -> None:
        if isinstance(listed, Path):
            listed = list_folders({TRAIN: listed}, listed, []).parts[TRAIN]
        self._paths = listed.paths
        self.labels = torch.tensor(listed.labels, dtype=torch.int64)

    @property
    def files(self) -> list[Path]:
        return [Path(path) for path in self._paths]

    def prepare(self) -> None:
        pass

    def read(self, index: int) -> bytes:
        try:
            return read_file(self._paths[index])
        except OSError as error:
            raise ValueError(error.strerror) from error

    def where(self, index: int) -> str:
        return self._paths[index]


def read_file(path: str) -> bytes:
    """A file's content. A pipe or a device, which may wait or never end, is not opened.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file, or too large for an image.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("no regular file")
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("no regular file")
        if found.st_size > MOST_BYTES:
            raise ValueError(f"{found.st_size:,} bytes are more than {MOST_BYTES:,}")
        return file.read()


class ParquetSamples:
    """The rows of Hugging Face image parquet files, encoded; in memory from the first that is read.

    Args:
        names: of the classes, by which the files' own class numbers are translated; the files' own if not given.

    Raises:
        UserError: a file is broken, has other columns or classes, no rows or a row without label.
    """

    def __init__(self, paths: Iterable[Path], names: Sequence[str] | None = None) -> None:
        self._files = list(paths)
        names = names_of({TRAIN: self._files}) if names is None else names
        labels = [torch.from_numpy(labels_of(path, names)) for path in self._files]
        self._starts = [sum(map(len, labels[:number])) for number in range(len(labels))]
        self.labels = torch.cat(labels)
        self._contents: list[bytes | None] | None = None
        self._reading = Lock()
        if not len(self.labels):
            raise UserError(f"{self._files[0]}: no rows; give files with images")

    @property
    def files(self) -> list[Path]:
        return self._files

    def prepare(self) -> None:
        """
        Raises:
            UserError: a file is damaged.
        """
        with self._reading:
            if self._contents is None:
                self._contents = [content for path in self._files for content in _patiently(path)]

    def read(self, index: int) -> bytes:
        if self._contents is None:
            self.prepare()
        assert self._contents is not None
        content = self._contents[index]
        if content is None:
            raise ValueError("no bytes")
        return content

    def where(self, index: int) -> str:
        file = max(number for number, start in enumerate(self._starts) if start <= index)
        return f"{self._files[file]}, row {index - self._starts[file]}"


def _patiently(path: Path) -> list[bytes | None]:
    return read_patiently(lambda: _contents(path), str(path))


def _contents(path: Path) -> list[bytes | None]:
    file = open_parquet(path)
    try:
        column = file.read(columns=[image_column(file, path)]).column(0)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: damaged ({str(error).splitlines()[0]}); fetch it again") from error
    found: list[bytes | None] = []
    for chunk in column.chunks:
        found += (chunk.field("bytes") if hasattr(chunk, "field") else chunk).to_pylist()
    return found
