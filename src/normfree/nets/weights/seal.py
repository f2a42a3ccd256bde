"""Checkpoints that know when they have been changed: the archive's comment is a SHA-256 of all that comes before it.

Such a file is a zip archive as any other to ``torch.load``, ``unzip`` and Python. Archives without a comment, which
earlier versions and others write, are checked by the CRC of each of their members, which ``torch.load`` never looks at.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_MARK = b"normfree sha256 "
_DIGITS = 64
_COMMENT = len(_MARK) + _DIGITS
_END = b"PK\x05\x06"
_END_BYTES = 22
"""Of the record that ends an archive without a comment; its last two bytes are the comment's length."""
_PIECE = 2**20


def write_sealed(path: Path, archive: memoryview) -> None:
    """Write what ``torch.save`` made, with its checksum.

    Raises:
        ValueError: it is no archive without a comment.
        OSError: it cannot be written.
    """
    if bytes(archive[-_END_BYTES:][:4]) != _END:
        raise ValueError(f"{path}: not what torch.save writes, cannot be given a checksum")
    archive[-2:] = _COMMENT.to_bytes(2, "little")
    # Both leave Python's lock alone, and take about as long.
    with path.open("wb") as file, ThreadPoolExecutor(1) as pool:
        digest = pool.submit(_digest, archive)
        file.write(archive)
        file.write(_MARK)
        file.write(digest.result())


def check_seal(path: Path) -> None:
    """Read the whole file and compare it with its checksum, or with those of its members.

    Raises:
        ValueError: it is damaged, no zip archive or no regular file.
        OSError: it cannot be read.
    """
    size, mode = path.stat().st_size, path.stat().st_mode
    if not stat.S_ISREG(mode):  # Opening a pipe would wait for a writer.
        raise ValueError(f"{path}: no regular file")
    with path.open("rb") as file:
        file.seek(max(0, size - _COMMENT - _END_BYTES))
        end = file.read()
        if end[-_COMMENT:].startswith(_MARK):
            file.seek(0)
            found = hashlib.sha256()
            left = size - _COMMENT
            while left and (piece := file.read(min(_PIECE, left))):
                found.update(piece)
                left -= len(piece)
            found.update(_MARK)
            if found.hexdigest().encode() != end[-_DIGITS:]:
                raise ValueError(f"{path}: damaged, it is not what its checksum says")
            return
    if end[-_END_BYTES:-2] + b"\0\0" != end[-_END_BYTES:] or end[-_END_BYTES:][:4] != _END:
        raise ValueError(f"{path}: a damaged archive: its end is missing, or not what was written")
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # damaged archives raise nearly anything
        raise ValueError(f"{path}: a damaged archive: {error}") from None
    if broken is not None:
        raise ValueError(f"{path}: damaged, the checksum of its part {broken[:80]} is wrong")


def _digest(archive: memoryview) -> bytes:
    found = hashlib.sha256(archive)
    found.update(_MARK)
    return found.hexdigest().encode()
