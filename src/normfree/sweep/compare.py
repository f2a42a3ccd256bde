"""How two runs differ: in what was asked for, what came of it, what was read and what it ran under."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from normfree.config import UserError
from normfree.config.yaml_file import parse_yaml
from normfree.host.wording import counted
from normfree.runs import Damaged, RunDirectory
from normfree.runs.again import place_of
from normfree.runs.attempts import own_code_folder, own_code_of
from normfree.runs.factors import flat
from normfree.runs.reading import read_text, shortened
from normfree.runs.versions import differing_files, told, verb

_OUTCOME = ("status", "reason", "stalled", "steps_done", "attempts", "resumed", "lost_rows")
_MOST_NAMED = 3
_LEFT_OUT = ("runs_dir", "experiment", "plan", "again", "sweep")


def find_run(runs_dir: Path, experiment: str, word: str) -> RunDirectory:
    """The run of which ``word`` is the name or a part of it, or the run's directory as the shell completes it.

    An experiment may stand before it, as in ``quickstart/s0-1a2b3c4d``.

    Args:
        experiment: where it is looked for; in all of them where it is empty.

    Raises:
        UserError: there is none, or several.
    """
    if (Path(word) / "config.yaml").is_file():
        return RunDirectory(Path(word))
    before, _, name = word.rstrip("/").rpartition("/")
    experiment = before or experiment
    places = [runs_dir / experiment] if experiment else sorted(runs_dir.glob("[!._]*"))
    runs = [path for place in places for path in sorted(place.glob("[!._]*")) if (path / "config.yaml").is_file()]
    found = [path for path in runs if path.name == name] or [path for path in runs if name in path.name]
    # A part of a run's name is one of its repetitions' names too, and means the run.
    if len({path.parent for path in found}) == 1 and len({place_of(path.name)[0] for path in found}) == 1:
        return RunDirectory(min(found, key=lambda path: place_of(path.name)))
    where = runs_dir / experiment if experiment else runs_dir
    if not found:
        raise UserError(f"compare={word}: no run of this name in {where}; python runs.py lists experiments")
    some = ", ".join(str(path.relative_to(runs_dir)) for path in found[:_MOST_NAMED])
    more = ", ..." if len(found) > _MOST_NAMED else ""
    raise UserError(f"compare={word}: {counted(len(found), 'run')} have this in their names ({some}{more}); give one")


def differences(one: RunDirectory, other: RunDirectory) -> list[tuple[str, str, str, str]]:
    """Rows of heading, key, and the value of either run, of all that is not the same.

    Raises:
        Damaged: a file of one of them cannot be read.
    """
    found: list[tuple[str, str, str, str]] = []
    for heading, left, right in _parts(one, other):
        for key in sorted({*left, *right}):
            values = tuple(_shown(part.get(key)) for part in (left, right))
            if left.get(key) != right.get(key):
                found.append((heading, key, *values))  # type: ignore[arg-type]
    return found


def told_own_code(one: RunDirectory, other: RunDirectory) -> str:
    """``own code: my_nets.py differs``, and how to see it; empty where it does not, or a run has kept none."""
    kept = [own_code_of(run.path) for run in (one, other)]
    if not all(kept) or not (names := differing_files(*kept)):
        return ""
    folders = (own_code_folder(run.path) for run in (one, other))
    how = shlex.join(["diff", "-r", *(str(folder) for folder in folders)])
    return f"own code: {told(names)} {verb(names, 'differs', 'differ')}; see it with: {how}"


def _parts(one: RunDirectory, other: RunDirectory) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    yield "configuration", _configuration(one), _configuration(other)
    left, right = _result(one), _result(other)
    yield "outcome", _some(left, _OUTCOME), _some(right, _OUTCOME)
    yield "metrics", dict(left.get("metrics") or {}), dict(right.get("metrics") or {})
    yield "data", flat(left.get("data") or {}), flat(right.get("data") or {})
    yield "time", flat(left.get("time") or {}), flat(right.get("time") or {})
    yield "provenance", flat(left.get("provenance") or {}), flat(right.get("provenance") or {})


def _result(run: RunDirectory) -> Mapping[str, Any]:
    return run.read_result() or {}


def _configuration(run: RunDirectory) -> dict[str, Any]:
    try:
        content = parse_yaml(read_text(run.config))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Damaged(run.config, str(error)) from error
    table = content if isinstance(content, dict) else {}
    return flat({key: value for key, value in table.items() if key not in _LEFT_OUT})


def _some(content: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: content[key] for key in keys if key in content}


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else shortened(value, 60)
