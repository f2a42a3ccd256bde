"""Decoded images kept on disk between runs and mapped into memory, so that the processes of a sweep share one copy.

An entry is a folder of two arrays. Labels are none of them: the same pixels may bear others elsewhere. It is written
beside its place and renamed, so that it is whole or not there; one process decodes while the others wait. Any entry can
be deleted at any time.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from normfree.runs.heartbeat import beat
from normfree.runs.waiting import Waiting

LAYOUT = 4
"""Raised when what is stored changes."""

OFF = "off"


class Images(NamedTuple):
    """Decoded images uint8 ``[n, C, H, W]``, their labels int64 ``[n]`` and which of all the unreadable ones were."""

    images: Tensor
    labels: Tensor
    skipped: Tensor


class Pixels(NamedTuple):
    """Decoded images uint8 ``[n, C, H, W]`` and which of all the unreadable ones were, bool ``[n + left out]``."""

    images: Tensor
    skipped: Tensor


def cache_folder(setting: str | None) -> Path | None:
    """``data.cache``: a folder, ``off``, or null for ``normfree`` in the user's cache directory."""
    if setting == OFF:
        return None
    if setting is not None:
        return Path(setting).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "normfree"


def fingerprint(files: list[Path], **facts: Any) -> str:
    """Names what was decoded: each file by its path, what that leads to, its size and times, and how it was decoded."""
    text = json.dumps([LAYOUT, [_facts(path) for path in files], facts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _facts(path: Path) -> list[Any]:
    place = str(path.absolute())
    try:
        found = path.stat()
    except OSError as error:
        return [place, error.errno]
    return [place, os.path.realpath(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def cached(folder: Path | None, name: str, make: Callable[[], Pixels]) -> Pixels:
    """The entry ``name`` of the cache, made now if it is not there.

    A cache that cannot be written costs a warning, and the images are held in memory.
    """
    if folder is None:
        return make()
    entry = folder / "images" / name
    if (found := _read(entry)) is not None:
        return found
    made: Pixels | None = None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with _locked(entry.with_suffix(".lock")):
            if (found := _read(entry)) is not None:
                return found
            made = make()
            _write(entry, made)
    except OSError as error:
        warnings.warn(
            f"data.cache={folder}: decoded images cannot be kept there ({error.strerror}); every run decodes them "
            "again. Make room, give another folder, or data.cache=off",
            stacklevel=2,
        )
    return _read(entry) or made or make()


def _read(entry: Path) -> Pixels | None:
    try:
        # Copy on write: nothing can change the file, and torch takes the array without a copy.
        arrays = [np.load(entry / f"{part}.npy", mmap_mode="c") for part in Pixels._fields]
    except (OSError, ValueError, EOFError):
        return None
    images, skipped = (torch.from_numpy(array) for array in arrays)
    return Pixels(images, skipped.clone()) if len(images) == int((~skipped).sum()) else None


def _write(entry: Path, made: Pixels) -> None:
    part = Path(tempfile.mkdtemp(prefix=entry.name, dir=entry.parent))
    try:
        for name, tensor in made._asdict().items():
            np.save(part / f"{name}.npy", tensor.numpy())
        shutil.rmtree(entry, ignore_errors=True)
        part.rename(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        waiting = Waiting(lambda _: f"another process, which decodes the same images ({path})")
        while not _taken(file):
            time.sleep(0.1)
            beat()  # The other one gets on, or is ended.
            waiting.look({0: path}, limited=False)
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
