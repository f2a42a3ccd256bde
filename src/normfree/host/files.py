"""Writing files so that a reader never sees half of one."""

import errno
import json
import math
import os
import re
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

_UNFINISHED = re.compile(r"\..+\.\d+")


def write_text_atomic(path: Path, text: str, durable: bool = True) -> None:
    """Write beside the target, flush to disk if it is to be ``durable``, then rename over it."""
    write_lines_atomic(path, [text], durable)


def write_lines_atomic(path: Path, lines: Iterable[str], durable: bool = True) -> None:
    """The same, piece by piece; they may come from the file that is replaced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def open_regular(path: Path) -> BufferedReader:
    """A file to read. Opening a pipe in its place would wait for a writer, for ever if need be.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "is no regular file", str(path))


def read_bytes(path: Path) -> bytes:
    """All of a regular file.

    Raises:
        OSError: as :func:`open_regular`.
    """
    with open_regular(path) as file:
        return file.read()


def printable(name: str) -> str:
    """The name of a file as text that any table can hold: bytes that are no UTF-8 as ``\\udcff``."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def remove_unfinished(folder: Path, seconds: float = 0.0) -> None:
    """Remove what writers that were killed have left; for the only process that writes into the folder now.

    Args:
        seconds: how old it must be, where others may write.
    """
    before = time.time() - seconds
    for path in folder.glob(".*"):
        with suppress(OSError):
            if _UNFINISHED.fullmatch(path.name) and path.stat().st_mtime <= before:
                path.unlink()


def set_aside(path: Path) -> Path:
    """Rename what is in the place of a file to ``NAME.damaged``, or with a number where there is one; gives that."""
    number = 0
    while True:
        target = path.with_name(f"{path.name}.damaged{f'.{number}' if number else ''}")
        if not os.path.lexists(target):
            return path.rename(target)
        number += 1


def where_to_write(error: OSError, key: str) -> str:
    """What helps where something cannot be written: room only where there is none.

    Args:
        key: of the command line, that says where.
    """
    room = "make room there or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"{room}give a writable directory with {key}=..."


def flush(path: Path) -> None:
    """Have what is written reach the disk, so that a rename cannot come there before it."""
    with open_regular(path) as file:
        os.fsync(file.fileno())


def write_json_atomic(path: Path, content: Any) -> None:
    """JSON in the order given, indented, with ``null`` for every number that is not finite."""
    write_text_atomic(path, json_text(content))


def json_text(content: Any) -> str:
    """What :func:`write_json_atomic` writes."""
    return json.dumps(finite(content), indent=2, allow_nan=False) + "\n"


def finite(content: Any) -> Any:
    """The same structure with non-finite numbers as ``None``."""
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """As :func:`write_text_atomic`, of bytes; what was there stays where this cannot be written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
