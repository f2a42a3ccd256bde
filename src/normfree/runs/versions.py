"""Versions of what a run's words name: which files of the user's own have changed since a run kept copies of them.

The same words come to another run when what they name has changed: a file of the user's own, or one of ``conf/``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from normfree.config import TrainConfig
from normfree.host.wording import counted
from normfree.runs.attempts import own_code_of
from normfree.runs.own_code import files_of

_CONF = "conf/"
_MOST_NAMED = 3


def what_changed(run: Path, now: TrainConfig) -> tuple[str, ...]:
    """What made another run of the words of an earlier one: names of files, or ``conf/``.

    Args:
        run: the directory of the earlier one; one that was never started has kept no files, so that both may be it.
        now: what the words come to now.
    """
    kept, own = own_code_of(run), files_of(now)
    if not kept:
        return (_CONF, *own)
    return tuple(differing_files(kept, own)) or (_CONF,)


def differing_files(one: Mapping[str, Path], other: Mapping[str, Path]) -> list[str]:
    """Names of files that one of them alone has, or that have other contents."""
    return [name for name in sorted({*one, *other}) if _bytes(one.get(name)) != _bytes(other.get(name))]


def told(names: Sequence[str]) -> str:
    """``my_nets.py``, ``my_blocks.py and my_nets.py``, ``conf/ or my_nets.py``; of many the first ones."""
    *first, last = names if len(names) <= _MOST_NAMED else [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
    joined = "or" if _CONF in names else "and"
    return f"{', '.join(first)} {joined} {last}" if first else last


def verb(names: Sequence[str], one: str, several: str) -> str:
    """The form that goes with what `told` says of the names."""
    return one if len(names) == 1 or _CONF in names else several


def told_left_out(changed: Iterable[tuple[str, ...]]) -> list[str]:
    """``2 runs of an earlier version of my_nets.py are left out``, a line for all of which the same has changed.

    Args:
        changed: of each run; no names where a plan does not say.
    """
    counts = sorted(Counter(names or (_CONF,) for names in changed).items())
    return [
        f"{counted(count, 'run')} of an earlier version of {told(names)} {'is' if count == 1 else 'are'} left out"
        for names, count in counts
    ]


def _bytes(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError:
        return None
