"""An error that arose in the user's own code: where in it, so that one line can say it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType

from normfree.config import TrainConfig
from normfree.config.parts import EVERY_PART, own_parts
from normfree.config.tracebacks import one_line
from normfree.runs.attempts import last_traceback
from normfree.runs.own_code import own_files
from normfree.runs.result import Ended

_TOLD = re.compile(rf"; \S.*, line \d+ \((?:{'|'.join(re.escape(part.target) for part in EVERY_PART)})=")


def place_of(error: BaseException, config: TrainConfig) -> str:
    """``; my_clipping.py, line 4 (clip._target_=my_clipping.halve)``, the innermost line of the user's that the error
    went through and the part that it belongs to; empty where it went through none.
    """
    files = {
        str(file.resolve()): (name, part)
        for part in reversed(own_parts(config))
        for name, file in own_files(part.named(config), part.target).items()
    }
    own = [(frame, line) for frame, line in _frames(error.__traceback__) if _file(frame) in files]
    if not own:
        return ""
    frame, line = own[-1]
    name, part = files[_file(frame)]
    called = [each for outer, _ in own for each in own_parts(config) if _belongs(outer, each.named(config))]
    part = called[0] if called else part
    return f"; {name}, line {line} ({part.target}={part.named(config)})"


def where_told(result: Ended, run: Path) -> str:
    """``; traceback in FILE`` for a run whose reason ends with its place in the user's own code, which says enough on a
    screen; else nothing.

    Args:
        run: its directory.
    """
    if not result.get("traceback") or not _TOLD.search(result.get("reason", "")):
        return ""
    file = last_traceback(run)
    return f"; traceback in {file}" if file else ""


@contextmanager
def exits_are_errors(config: TrainConfig) -> Iterator[None]:
    """An exit in the user's own code would end the process without a word: it is an error of that code.

    Raises:
        RuntimeError: in its place, with its traceback.
    """
    try:
        yield
    except SystemExit as error:
        if not place_of(error, config):
            raise  # A second Ctrl-C, for instance.
        raise RuntimeError(one_line(error)).with_traceback(error.__traceback__) from error


def _frames(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _file(frame: FrameType) -> str:
    return str(Path(frame.f_code.co_filename).resolve())


def _belongs(frame: FrameType, target: str) -> bool:
    """Whether this is the function of that name, or a method of an object of the class of that name."""
    name = target.rpartition(".")[2]
    owner = type(frame.f_locals.get("self"))
    return frame.f_code.co_qualname.partition(".")[0] == name or name in {each.__name__ for each in owner.__mro__}
