"""Tracebacks of the user's own code: the command tells one line, a file has the rest."""

import os
import re
import traceback
from pathlib import Path


def state_folder() -> Path:
    """Where this user's own state is kept: ``$XDG_STATE_HOME/normfree``."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "normfree"


def one_line(error: BaseException) -> str:
    """The kind of an error and the first line of what it says; of a SystemExit, what was called."""
    if isinstance(error, SystemExit):
        return f"called exit({'' if error.code is None else repr(error.code)})"
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def kept_traceback(error: BaseException, target: str) -> str:
    """Write the traceback of ``target``'s error; says where, for the end of a line, or nothing if it cannot."""
    name = re.sub(r"[^\w.+-]", "_", target)[:120]
    path = state_folder() / "tracebacks" / f"{name}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return ""
    return f"; traceback in {path}"
