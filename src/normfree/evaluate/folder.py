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


def require_writable(folder: Path, asked: Path | None = None) -> None:
    """Make the folder.

    Args:
        asked: what was typed as ``out=``, where that is not the folder.

    Raises:
        UserError: nothing can be written there.
    """
    key, said = "out", asked or folder
    if blocked := next(
        (each for each in (folder, *folder.parents) if os.path.lexists(each) and not each.is_dir()), None
    ):
        raise UserError(f"{key}={said}: {blocked} is no folder; give another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(f"{key}={said}: cannot be written ({error.strerror}); {where_to_write(error, key)}") from error


def refuse_others(folder: Path, identity: object) -> None:
    """Nothing of another kind, and no other evaluation, is written over.

    Args:
        identity: of this evaluation; an earlier one with the same may be made anew.

    Raises:
        UserError: there is a run or another evaluation.
    """
    if (folder / "config.yaml").is_file() or (folder / "result.json").is_file():
        raise UserError(f"out={folder}: is a run's own folder; give another")
    before: object = None
    try:
        before = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if theirs := [name for name in ("index.html", "predictions.parquet", "figures") if (folder / name).exists()]:
            raise UserError(f"out={folder}: holds {theirs[0]}, which no evaluation made; give another folder") from None
        return
    except (OSError, ValueError):
        pass
    found = before if isinstance(before, dict) else {}
    if found.get("identity") != identity:
        made = f" ({found['command']})" if "command" in found else ""
        raise UserError(f"out={folder}: holds another evaluation{made}; give another folder, or remove that one")


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
