"""Every start of a run with what it ran under, and what a run that was gone on with was gone on with.

``attempts/<number>/`` holds ``environment.json``, ``uncommitted.diff`` where there is one, ``own_code/``, the files of
the user's own code, and ``traceback.txt`` of an attempt that failed.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from normfree.host.files import json_text
from normfree.runs.checksums import read_text_verified, write_verified
from normfree.runs.own_code import copy_files

FOLDER = "attempts"
OWN_CODE = "own_code"
TRACEBACK = "traceback.txt"
COMPARED = ("commit", "code", "normfree", "torch", "torchvision", "lightning", "python", "platform", "device",
            "threads", "ranks")  # fmt: skip
"""What a run may be resumed under otherwise, and end with other bits."""


def record_attempt(
    run: Path, number: int, environment: Mapping[str, Any], difference: str, sources: Mapping[str, Path]
) -> None:
    """Write what attempt ``number`` of the run in ``run`` works with; what is there of this attempt is replaced."""
    folder = run / FOLDER / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"environment.json": json_text(environment)}
    if difference:
        texts["uncommitted.diff"] = difference
    write_verified(folder, texts)
    copy_files(sources, folder / OWN_CODE)


def own_code_folder(run: Path) -> Path | None:
    """Copies of the user's own code that the last attempt of the run in ``run`` worked with; ``None`` without any."""
    kept = [path for path in (run / FOLDER).glob(f"*/{OWN_CODE}") if path.parent.name.isdigit()]
    return max(kept, key=lambda path: int(path.parent.name), default=None)


def own_code_of(run: Path) -> dict[str, Path]:
    """Name -> copy, of the files in `own_code_folder`."""
    folder = own_code_folder(run)
    if folder is None:
        return {}
    return {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*.py")) if file.is_file()}


def keep_traceback(run: Path, number: int, text: str) -> None:
    """Write it beside what attempt ``number`` worked with; the result has it too, a full disk costs this copy alone."""
    with suppress(OSError):
        (run / FOLDER / str(number) / TRACEBACK).write_text(text, encoding="utf-8")


def last_traceback(run: Path) -> Path | None:
    """Where the traceback of the last attempt that failed is, to be read by a person."""
    found = sorted((run / FOLDER).glob(f"*/{TRACEBACK}"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


def attempts_of(run: Path) -> list[dict[str, Any]]:
    """The environments of a run's attempts, the first one first; of one that cannot be read, why, as ``damaged``."""
    folders = sorted(
        (path for path in (run / FOLDER).glob("*") if path.name.isdigit()), key=lambda path: int(path.name)
    )
    return [{"attempt": int(folder.name), **_environment(folder)} for folder in folders]


def _environment(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text_verified(folder / "environment.json"))
    except (OSError, ValueError) as error:
        return {"damaged": str(error)}
    return content if isinstance(content, dict) else {"damaged": "environment.json: no names and values"}


def resumed_under_other(attempts: Sequence[Mapping[str, Any]]) -> str:
    """What differed between the attempts whose steps are in the result, in words; empty where nothing did.

    An unknown commit differs from every other. An attempt with ``resumes`` false began anew: those before it are in no
    result.
    """
    anew = [number for number, each in enumerate(attempts) if each.get("resumes") is False]
    counted = attempts[anew[-1] if anew else 0 :]
    if len(counted) < 2:
        return ""
    parts = [text for key in COMPARED if (text := _changed(key, [each.get(key) for each in counted]))]
    return f"resumed under other {', '.join(parts)}" if parts else ""


def _changed(key: str, values: Sequence[Any]) -> str:
    differs = len({str(value) for value in values}) > 1 or (key == "commit" and None in values)
    if not differs:
        return ""
    shown = [str(value)[:12] if key in ("commit", "code") else str(value) for value in values]
    steps = [
        text for text, before in zip(shown, [None, *shown], strict=False) if text != before or len(set(shown)) == 1
    ]
    return f"{key} ({', then '.join(text if text != 'None' else 'unknown' for text in steps)})"
