"""Files that know when they have been changed: each folder's ``checksums.sha256`` says what was written.

It is what ``sha256sum --check`` reads. A file that is being replaced stands in it twice, as it was and as it will be,
so that one of the two is right at whatever moment the writer is killed. A file without a line, of an earlier version
for instance, is taken as it is.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from normfree.host.files import open_regular, read_bytes, write_text_atomic

CHECKSUMS = "checksums.sha256"

_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n]+)")

Sums = dict[str, tuple[str, ...]]
"""File -> SHA-256 of what it may hold."""


class Damaged(ValueError):
    """A file holds other bytes than were written."""


def read_verified(path: Path, read: Callable[[Path], bytes] = read_bytes) -> bytes:
    """The content of a file, which must be what was written.

    Args:
        read: how it is read.

    Raises:
        Damaged: it is not; the message names the file.
        OSError: it cannot be read.
    """
    return _verified(path, read, _digest)


def verify(path: Path) -> None:
    """As :func:`read_verified`, for a file too large to be held in memory; gives nothing."""
    _verified(path, digest_of, str)


def has_checksum(path: Path) -> bool:
    """Whether it is known what a file must hold.

    Raises:
        Damaged: the checksums cannot be read.
    """
    return path.name in _read(path.parent)


def read_text_verified(path: Path) -> str:
    """The text of a file, as :func:`read_verified`.

    Raises:
        ValueError: it is damaged, or no UTF-8.
        OSError: it cannot be read.
    """
    return read_verified(path).decode("utf-8")


def damaged(folder: Path) -> list[str]:
    """The files of a folder that are missing, or hold other bytes than were written."""
    found = []
    try:
        names = list(_read(folder))
    except Damaged:
        return [CHECKSUMS]
    for name in names:
        try:
            verify(folder / name)
        except (OSError, Damaged):
            found.append(name)
    return found


def write_verified(folder: Path, texts: Mapping[str, str], sums: Mapping[str, str | None] | None = None) -> None:
    """Write files of a folder, each whole or not at all, with their checksums.

    Args:
        texts: file -> content.
        sums: file -> SHA-256 of files that somebody else writes, ``None`` for those that are about to change.
    """
    with _alone(folder):
        known = _read(folder)
        for name, digest in (sums or {}).items():
            known.pop(name, None)
            if digest is not None:
                known[name] = (digest,)
        fresh = {name: (_digest(text.encode("utf-8")),) for name, text in texts.items()}
        both = {name: tuple(dict.fromkeys((*_present(folder / name, known), *new))) for name, new in fresh.items()}
        write_text_atomic(folder / CHECKSUMS, _lines(known | both))
        for name, text in texts.items():
            write_text_atomic(folder / name, text)
        if both != fresh:
            # Not flushed to disk: what it replaces is right too.
            write_text_atomic(folder / CHECKSUMS, _lines(known | fresh), durable=False)


def digest_of(path: Path) -> str:
    """SHA-256 of a file of any size."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_T = TypeVar("_T")


def _verified(path: Path, read: Callable[[Path], _T], digest: Callable[[_T], str]) -> _T:
    before: object = None
    while True:
        known = _read(path.parent).get(path.name, ())
        content = read(path)
        if not known or digest(content) in known:
            return content
        # A writer may have come between the two readings; then one of them gives something else now.
        if before == (known, content):
            raise Damaged(f"{path.name}: other bytes than were written, by {CHECKSUMS}")
        before = known, content


def _present(path: Path, known: Sums) -> tuple[str, ...]:
    try:
        digest = _digest(read_bytes(path))
    except OSError:
        return ()
    return (digest,) if digest in known.get(path.name, (digest,)) else ()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(folder: Path) -> Sums:
    try:
        text = read_bytes(folder / CHECKSUMS).decode("utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Damaged(f"{CHECKSUMS}: cannot be read ({error.strerror}), so that nothing can be compared") from error
    sums: Sums = {}
    for line in text.splitlines():
        if (found := _LINE.fullmatch(line)) is not None:
            sums[found[2]] = (*sums.get(found[2], ()), found[1])
    return sums


def _lines(sums: Sums) -> str:
    return "".join(f"{digest}  {name}\n" for name, digests in sums.items() for digest in digests)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer of a folder at a time, where its file system has such locks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
