"""Encoded images with labels, as they lie on disk: what every loader reads."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torchvision.datasets import ImageFolder

from normfree.config import UserError
from normfree.config.sources.parquet_schema import image_column, label_column, open_parquet


class Samples(Protocol):
    """Images by their index.

    Attributes:
        labels: int64 ``[n]``.
        files: what a cached decoding depends on.
    """

    labels: Tensor
    files: list[Path]

    def read(self, index: int) -> bytes:
        """The encoded image.

        Raises:
            ValueError: it is not there or cannot be read.
        """
        ...

    def where(self, index: int) -> str:
        """Its path, and its row in a file of many."""
        ...


class FolderSamples:
    """Image files in class folders; the labels are the folders' alphabetical order."""

    def __init__(self, folder: Path) -> None:
        found = ImageFolder(str(folder), allow_empty=True)
        self.classes: list[str] = found.classes
        self.files = [Path(path) for path, _ in found.samples]
        self.labels = torch.tensor(found.targets, dtype=torch.int64)

    def read(self, index: int) -> bytes:
        try:
            return self.files[index].read_bytes()
        except OSError as error:
            raise ValueError(error.strerror) from error

    def where(self, index: int) -> str:
        return str(self.files[index])


class ParquetSamples:
    """The rows of Hugging Face image parquet files, encoded, in memory.

    Raises:
        UserError: a file is broken, has other columns, no rows or a row without label.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.files = list(paths)
        self._contents: list[bytes | None] = []
        self._starts: list[int] = []
        labels = []
        for path in self.files:
            file = open_parquet(path)
            names = image_column(file, path), label_column(file, path)
            try:
                table = file.read(columns=list(names))
            except (OSError, ValueError) as error:
                raise UserError(f"{path}: damaged ({str(error).splitlines()[0]}); fetch it again") from error
            self._starts.append(len(self._contents))
            for chunk in table.column(names[0]).chunks:
                self._contents += (chunk.field("bytes") if hasattr(chunk, "field") else chunk).to_pylist()
            classes = table.column(names[1])
            if classes.null_count:
                raise UserError(f"{path}: {classes.null_count} of {len(classes)} labels are missing; remove those rows")
            labels.append(torch.tensor(classes.to_pylist(), dtype=torch.int64))
        self.labels = torch.cat(labels)
        if not len(self.labels):
            raise UserError(f"{self.files[0]}: no rows; give files with images")

    def read(self, index: int) -> bytes:
        content = self._contents[index]
        if content is None:
            raise ValueError("no bytes")
        return content

    def where(self, index: int) -> str:
        file = max(number for number, start in enumerate(self._starts) if start <= index)
        return f"{self.files[file]}, row {index - self._starts[file]}"
