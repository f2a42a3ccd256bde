"""The folder of an evaluation: looked at before anything is computed, then written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from normfree.config import UserError
from normfree.host.files import json_text, remove_unfinished, where_to_write, write_bytes_atomic

RECORD = "evaluation.json"
_LEFT_SECONDS = 3600


def require_writable(folder: Path, key: str = "out") -> None:
    """Make the folder.

    Raises:
        UserError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"{key}={folder}: cannot be written ({error.strerror}); {where_to_write(error, key)}"
        ) from error


def write(folder: Path, files: Mapping[str, bytes], record: Mapping[str, object]) -> None:
    """The files and, last, evaluation.json; files of an earlier evaluation that are not among them are removed.

    Raises:
        UserError: nothing can be written there.
    """
    earlier = _earlier(folder)
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomic(folder / name, content)
        write_bytes_atomic(folder / RECORD, json_text({**record, "files": sorted(files)}).encode())
        for name in earlier - set(files):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"out={folder}: cannot be written ({error.strerror}); {where_to_write(error, 'out')}"
        ) from error
    remove_unfinished(folder, _LEFT_SECONDS)


def _earlier(folder: Path) -> set[str]:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return {str(name) for name in record["files"] if ".." not in Path(name).parts and not Path(name).is_absolute()}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
