"""What a command says that finds its run finished: since when, and what of it came too late."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import yaml

from normfree.config import Resolved
from normfree.config.validate import lookup
from normfree.runs.checksums import read_text_verified
from normfree.runs.directory import RunDirectory

# That images lie elsewhere now is told by `other_data`, and changes nothing where they are the same; neither does
# another file with the same weights, whose digest is part of a run's name.
_TOLD_ELSEWHERE = ("data.root", "model.weights")
_ALSO = "evaluate_also"
_GROUPS = ("trainer", "logger", "data", "model", "augment", "optimizer", "clip", "outcome")


def already_there(directory: RunDirectory, resolved: Resolved, given: Sequence[str]) -> str:
    """One line: the result's time, and the typed keys that the finished run did otherwise.

    They are keys that are no part of a run's name, such as ``trainer.log_every``, or the same run would not be there.
    """
    ended = datetime.fromtimestamp(directory.result.stat().st_mtime).astimezone()
    line = f"already there from {ended:%Y-%m-%d %H:%M:%S}"
    late = _late(directory, resolved, given)
    if not late:
        return line
    was = "was" if len(late) == 1 else "were"
    return (
        f"{line}; {' '.join(late)} {was} not applied: give another runs_dir= or experiment.name= for a new run, "
        "or again=true for one beside it"
    )


def _late(directory: RunDirectory, resolved: Resolved, given: Sequence[str]) -> list[str]:
    try:
        stored: Any = yaml.safe_load(read_text_verified(directory.config))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    late = []
    for override in given:
        key, equals, _ = override.lstrip("+").partition("=")
        if key.partition(".")[0] == _ALSO and stored.get(_ALSO) != resolved.config.evaluate_also:
            late.append(override)
        group, _, name = key.partition(".")
        if not equals or group not in _GROUPS or key in _TOLD_ELSEWHERE:
            continue
        before = stored.get(group) if isinstance(stored, dict) else None
        inner = name or "name"
        if isinstance(before, dict) and inner in before and hasattr(getattr(resolved.config, group), inner):
            now = lookup(resolved.config, f"{group}.{inner}")
            if now != before[inner]:
                late.append(override)
    return late
