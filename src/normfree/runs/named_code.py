"""Which code this user has named for the runs of a folder, so that their plan may name it again.

A plan lies beside the runs, and may be another person's; what it names is run only where the same user has named the
same thing for the same folder before. That is kept in the user's own state directory, a line of JSON each.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

_FILE = "normfree/named_code.jsonl"


def remember(folder: Path, named: Iterable[tuple[str, Any]]) -> None:
    """Keep that the user named this code for the runs in ``folder``; where nothing can be kept, it is asked for again.

    Args:
        named: key -> what was given to it, as JSON can hold it.
    """
    with suppress(OSError):
        known = _known()
        lines = {line: None for key, value in named if (line := _line(folder, key, value)) not in known}
        if lines:
            path = _path()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))


def is_remembered(folder: Path, key: str, value: Any) -> bool:
    """Whether this user has named this code for the runs in ``folder``, which has not been moved since."""
    try:
        return _line(folder, key, value) in _known()
    except OSError:
        return False


def _known() -> set[str]:
    try:
        return set(_path().read_text(encoding="utf-8", errors="replace").splitlines())
    except FileNotFoundError:
        return set()


def _line(folder: Path, key: str, value: Any) -> str:
    return json.dumps([str(folder.resolve()), key, value], sort_keys=True)


def _path() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / _FILE
