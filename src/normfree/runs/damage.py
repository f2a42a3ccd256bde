"""Runs of which a file cannot be read: found, told, and made fit to be trained again without losing anything."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from normfree.config.yaml_file import parse_yaml
from normfree.host.files import set_aside
from normfree.runs.checksums import has_checksum, write_verified
from normfree.runs.directory import RunDirectory
from normfree.runs.outcomes import TERMINAL
from normfree.runs.reading import DAMAGED, Damaged, read_text
from normfree.runs.recorded import OtherVersion
from normfree.runs.result import Ended, Result
from normfree.runs.tables import check_clip_record, check_metrics


def damages(directory: RunDirectory, tables: bool = True, asked: bool = True) -> Iterator[Damaged]:
    """Every file of a run that cannot be used, the result first.

    Args:
        tables: look at ``metrics.csv`` and ``clip.csv`` too, which a run that is being trained writes row by row.
        asked: look at ``config.yaml`` and ``overrides.yaml`` too.
    """
    result, error = _result(directory)
    if error is not None:
        yield error
    yield from _others(directory, result, tables, asked)


def _result(directory: RunDirectory) -> tuple[Result | None, Damaged | None]:
    try:
        return directory.read_result(), None
    except Damaged as error:
        return None, error


def _others(directory: RunDirectory, result: Result | None, tables: bool, asked: bool) -> Iterator[Damaged]:
    ended = result is not None and result["status"] in TERMINAL
    checks: list[tuple[Callable[..., Any], Path, tuple[Any, ...]]] = [(_attempts, directory.environment, (directory,))]
    if asked:
        checks += [(_table, directory.config, ()), (_list, directory.overrides, ())]
    if tables:
        checks += [(check_metrics, directory.metrics, (ended,)), (check_clip_record, directory.clip_record, (ended,))]
    for check, path, more in checks:
        try:
            check(path, *more)
        except FileNotFoundError:
            continue
        except Damaged as error:
            yield error


def damage_of(directory: RunDirectory, tables: bool = True, asked: bool = True) -> Damaged | None:
    """The first of :func:`damages`, or ``None``."""
    return next(damages(directory, tables, asked), None)


def examined(directory: RunDirectory, tables: bool = True, asked: bool = False) -> tuple[Result | None, Damaged | None]:
    """The result of a run, if it has one, and the first file of it that cannot be used, if there is one.

    Args:
        tables, asked: as for :func:`damages`; a report needs nothing of what was asked.
    """
    result, error = _result(directory)
    return result, error or next(_others(directory, result, tables, asked), None)


def standing(directory: RunDirectory) -> Ended | None:
    """The result of a run that is not to be started again, else ``None``; of a damaged one, why it cannot be.

    Raises:
        Damaged: it is of another schema version, which is whole, and not this version's to judge.
    """
    try:
        return directory.finished_result()
    except Damaged as error:
        if isinstance(error.__cause__, OtherVersion):
            raise
        return told(error)


def told(error: Damaged) -> Ended:
    """What stands for the result of a run of which a file cannot be read."""
    return {"status": DAMAGED, "reason": str(error), "traceback": None}


def _attempts(path: Path, directory: RunDirectory) -> None:
    directory.attempts()


def _table(path: Path) -> None:
    _check_yaml(path, lambda content: isinstance(content, dict), "is not names and values")


def _list(path: Path) -> None:
    def holds(words: Any) -> bool:
        return isinstance(words, list) and all(isinstance(word, str) for word in words)

    _check_yaml(path, holds, "is no list of KEY=VALUE")


def _check_yaml(path: Path, holds: Callable[[Any], bool], why: str) -> None:
    """What holds the bytes that were written need not be parsed to be whole, which would take most of the time."""
    text = read_text(path)
    if has_checksum(path):
        return
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise Damaged(path, str(error)) from error
    if not holds(content):
        raise Damaged(path, why)


def repair(directory: RunDirectory, config: dict[str, Any], overrides: list[str]) -> list[Path]:
    """Set aside what cannot be used, as ``*.damaged``, so that the run can be started; returns the new names.

    A run whose numbers by step are damaged begins again: its result, or its checkpoints, go aside with them. What was
    asked for is written anew.

    Args:
        config, overrides: of the run, as they come from its plan.

    Raises:
        UserError: another process holds the run, or the directory cannot be written.
    """
    before = {error.path for error in damages(directory)}
    with directory.locked(), directory.writing():
        found = before | {error.path for error in damages(directory)}
        if {directory.metrics, directory.clip_record} & found:
            found |= {directory.result, directory.metrics, directory.clip_record, *directory.checkpoint_candidates()}
        moved = [set_aside(path) for path in sorted(found) if os.path.lexists(path)]
        asked = {
            directory.config: yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
            directory.overrides: yaml.safe_dump(overrides),
        }
        write_verified(directory.path, {path.name: text for path, text in asked.items() if path in found})
        return moved
