"""Writing a .beton file: whole under its name, or not there at all."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from normfree.config import UserError
from normfree.config.sources.beton_file import ALLOCATION, FIELD, HEADER, IMAGE, INT, RGB_IMAGE, VERSION, packed_names
from normfree.host.files import where_to_write

PAGE = 2**23
"""FFCV reads pages; an image lies in one of them."""


class Encoded(NamedTuple):
    """One image as it is stored: JPEG bytes, or rows of RGB pixels."""

    mode: int
    width: int
    height: int
    content: bytes


class BetonWriter:
    """Takes ``samples`` images in order; made by :func:`writing`."""

    def __init__(self, file: Any, samples: int, classes: Sequence[str]) -> None:
        self._file, self._samples = file, samples
        self._fields = np.zeros(2, np.dtype(FIELD, align=True))
        for field, kind, name in zip(self._fields, (RGB_IMAGE, INT), (b"image", b"label"), strict=True):
            field["type"] = kind
            field["name"][: len(name)] = np.frombuffer(name, np.uint8)
        names = packed_names(classes)
        self._fields["arguments"][1, : len(names)] = np.frombuffer(names, np.uint8)
        self._metadata = np.zeros(samples, np.dtype([("f0", np.dtype(IMAGE)), ("f1", "<i8")], align=True))
        self._table = np.zeros(samples, ALLOCATION)
        self._header = np.zeros(1, np.dtype(HEADER, align=True))
        front = self._header.nbytes + self._fields.nbytes + self._metadata.nbytes
        self._position = -(-front // PAGE) * PAGE
        self._written = 0

    def add(self, image: Encoded, label: int) -> None:
        """The next image.

        Raises:
            ValueError: it is larger than a page, or has more than 65,535 pixels on a side.
        """
        size = len(image.content)
        if size > PAGE or max(image.width, image.height) > np.iinfo(np.uint16).max:
            raise ValueError(f"{image.width} x {image.height} px take {size / 2**20:.0f} MiB, more than a page holds")
        if self._position % PAGE + size > PAGE:
            self._position = -(-self._position // PAGE) * PAGE
        self._file.seek(self._position)
        self._file.write(image.content)
        self._metadata[self._written] = (image.mode, image.width, image.height, self._position), label
        self._table[self._written] = self._written, self._position, size
        self._position += size
        self._written += 1

    def finish(self) -> None:
        """The table, and at last the header, without which there is no file."""
        # Fewer images, where some were left out, leave a gap behind the metadata.
        self._file.seek(self._position)
        self._file.write(self._table[: self._written].tobytes())
        self._header[0] = VERSION, 2, PAGE, self._written, self._position
        self._file.seek(0)
        self._file.write(self._header.tobytes() + self._fields.tobytes() + self._metadata[: self._written].tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def writing(path: Path, samples: int, classes: Sequence[str] = ()) -> Iterator[BetonWriter]:
    """A writer whose file appears at ``path`` when the block ends without an error.

    Raises:
        UserError: another process writes it, or the disk is full or not writable.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(f"out={path.parent}: another process is writing {path.name} there") from error
            try:
                with part.open("r+b") as file:
                    file.truncate(0)
                    writer = BetonWriter(file, samples, classes)
                    yield writer
                    writer.finish()
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UserError(
            f"out={path.parent}: {path.name} cannot be written ({error.strerror}); {where_to_write(error, 'out')}"
        ) from error
