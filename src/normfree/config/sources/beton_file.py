"""FFCV's .beton files: which hold which split, and what they hold, read without FFCV and without an image.

Layout (FFCV 1.0, version 2), little-endian: header, a descriptor of each field, the metadata of all samples, pages of
data, and a table of what was allocated for which sample. Widths and addresses are in the metadata.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from normfree.config.errors import UserError
from normfree.config.sources.reading import MOST_PIXELS

if TYPE_CHECKING:
    import numpy as np

VERSION = 2
INT, RGB_IMAGE = 1, 2
"""Types of fields."""
JPEG, RAW = 0, 1
"""How an image is stored."""

_ARGUMENTS = 1024
HEADER = [("version", "<u2"), ("fields", "<u2"), ("page_size", "<u4"), ("samples", "<u8"), ("table", "<u8")]
FIELD = [("type", "<u1"), ("name", "<u1", 16), ("arguments", "<u1", _ARGUMENTS)]
IMAGE = [("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("data_ptr", "<u8")]
ALLOCATION = [("sample", "<u8"), ("ptr", "<u8"), ("size", "<u8")]

TRAIN_FILE, TEST_FILES = "train.beton", ("val.beton", "test.beton")
GET = "python -m normfree.data.convert data=... out=FOLDER writes them from any data set"


class Beton(NamedTuple):
    """What a file holds.

    Attributes:
        image, label: names of the two fields.
        images: metadata of the images, with the fields of ``IMAGE``, ``[n]``.
        labels: int64 ``[n]``.
        sizes: bytes of each stored image, ``[n]``.
        classes: their names; empty where the file does not say them.
    """

    path: Path
    image: str
    label: str
    images: "np.ndarray[Any, Any]"
    labels: "np.ndarray[Any, Any]"
    sizes: "np.ndarray[Any, Any]"
    classes: list[str]


def read_beton(path: Path) -> Beton:
    """Metadata of all samples, checked against the size of the file.

    Raises:
        UserError: not a whole .beton file of the version that FFCV 1.0 reads, or without images and labels.
    """
    import numpy as np

    try:
        length = path.stat().st_size
        header = _read(path, HEADER, 0, 1)
        if not len(header):
            raise UserError(f"{path}: no .beton file, {length} bytes; {GET}")
        if (version := int(header["version"][0])) != VERSION:
            raise UserError(f"{path}: .beton version {version}, and FFCV 1.0 reads version {VERSION}; convert again")
        start = header.nbytes
        fields = _read(path, FIELD, start, int(header["fields"][0]))
        if len(fields) < header["fields"][0]:
            raise UserError(f"{path}: damaged or not written to the end; convert again")
        names = [bytes(name).split(b"\0")[0].decode("ascii", "replace") for name in fields["name"]]
        kinds = [int(kind) for kind in fields["type"]]
        if sorted(kinds) != [INT, RGB_IMAGE] or len(kinds) != 2:
            raise UserError(f"{path}: fields {', '.join(names) or 'none'}; it must hold RGB images and whole labels")
        types: list[Any] = [np.dtype(IMAGE) if kind == RGB_IMAGE else "<i8" for kind in kinds]
        row = np.dtype([(name, kind) for name, kind in zip(("f0", "f1"), types, strict=True)], align=True)
        samples, table = int(header["samples"][0]), int(header["table"][0])
        if not 0 < samples <= length // row.itemsize or not start < table <= length:
            raise UserError(f"{path}: damaged or not written to the end; convert again")
        metadata = _read(path, row, start + fields.nbytes, samples)
        allocated = _read(path, ALLOCATION, table, samples)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {GET}") from error
    images, labels = metadata[f"f{kinds.index(RGB_IMAGE)}"], metadata[f"f{kinds.index(INT)}"]
    sizes = _sizes(images, allocated)
    pixels = images["width"].astype(np.uint64) * images["height"] * 3
    whole = sizes is not None and (pixels > 0).all() and (images["data_ptr"] + sizes <= table).all()
    if not whole or not np.where(images["mode"] == RAW, sizes == pixels, images["mode"] == JPEG).all():
        raise UserError(f"{path}: damaged or not written to the end; convert again")
    assert sizes is not None
    if (pixels > 3 * MOST_PIXELS).any():
        raise UserError(f"{path}: image {int(pixels.argmax())} has more than {MOST_PIXELS:,} pixels; convert again")
    classes = _unpacked(bytes(fields["arguments"][kinds.index(INT)]))
    return Beton(path, names[kinds.index(RGB_IMAGE)], names[kinds.index(INT)], images, labels, sizes, classes)


def beton_files(train: str | None, test: str | None, root: str | None) -> dict[str, Path]:
    """The files of ``train`` and, where there is one, of ``test``: val.beton, or test.beton if both are there.

    With both, val.beton is the validation split.

    Raises:
        UserError: says where it looked and how to get them.
    """
    if train is None and root is None:
        raise UserError(
            f"data.root=null: no .beton files; give the folder of {TRAIN_FILE} and {TEST_FILES[0]} with data.root=PATH "
            f"or the files with data.train_file and data.test_file; {GET}"
        )
    folder = Path(root or ".").expanduser()
    found = {"train": Path(train).expanduser() if train else folder / TRAIN_FILE}
    if test is not None:
        found["test"] = Path(test).expanduser()
    elif train is None:
        there = [folder / name for name in TEST_FILES if (folder / name).is_file()]
        if len(there) > 1:
            found["validation"] = there[0]
        if there:
            found["test"] = there[-1]
    for split, path in found.items():
        if not path.is_file():
            given = {"train": train, "test": test}.get(split)
            key = f"data.root={root}" if given is None else f"data.{split}_file={given}"
            raise UserError(f"{key}: no file {path.absolute()}; {GET}")
    return found


def packed_names(classes: Sequence[str]) -> bytes:
    """Names of classes for the arguments of the field of labels, which FFCV leaves alone; empty if they do not fit."""
    text = json.dumps(list(classes)).encode()
    return text if len(text) <= _ARGUMENTS else b""


def _unpacked(arguments: bytes) -> list[str]:
    try:
        names = json.loads(arguments.rstrip(b"\0") or b"[]")
    except ValueError:
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _read(path: Path, kind: Any, offset: int, count: int) -> "np.ndarray[Any, Any]":
    """Fewer than ``count`` at the end of the file."""
    import numpy as np

    dtype = np.dtype(kind, align=kind in (HEADER, FIELD)) if isinstance(kind, list) else kind
    there = max(0, os.path.getsize(path) - offset) // dtype.itemsize
    return np.fromfile(path, dtype, min(count, there), offset=offset)


def _sizes(images: "np.ndarray[Any, Any]", allocated: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any] | None":
    """Bytes of each image; ``None`` where the table does not have them all."""
    import numpy as np

    order = np.argsort(allocated["ptr"])
    if len(allocated) != len(images):
        return None
    places = np.minimum(np.searchsorted(allocated["ptr"][order], images["data_ptr"]), len(order) - 1)
    found = allocated[order][places]
    return found["size"] if bool((found["ptr"] == images["data_ptr"]).all()) else None
