"""Overrides and settings that are read from a folder of runs: values of keys, never code.

``sweep.json``, ``overrides.yaml`` and ``submission.json`` may be another person's. What they hold is taken as values of
the schema's own keys; Hydra's features are refused, and code (``clip._target_`` and its like, lines of a job's shell)
runs only if the user names it, or has named it for this folder before.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from normfree.config import TrainConfig, UserError
from normfree.config.names import shown
from normfree.config.parts import EVERY_PART, NORMALIZER, PARTS, is_target
from normfree.config.schema_keys import schema_keys
from normfree.runs.named_code import is_remembered, remember

TARGETS = tuple(part.target for part in EVERY_PART)
"""Keys whose values are code."""
OF_A_JOB = ("setup", "additional_parameters")
"""Settings of a submission that SLURM executes or obeys as they are."""
NAMED = (*TARGETS, *(f"hydra.launcher.{key}" for key in OF_A_JOB))
"""Keys by which ``runs.py`` is told what code of a plan may run."""

_GROUPS = ("augment", "clip", "data", "experiment", "logger", "model", "optimizer", "recipe", "trainer")
_OPTION = re.compile(r"\w[\w+-]*(\.\w[\w+-]*)*")
_OPEN = (*(f"{part.arguments}." for part in PARTS), "experiment.")
"""Keys below which there are names of the user's own."""


def check_overrides(overrides: Sequence[object], source: Path) -> list[Override]:
    """The overrides of a planned run, parsed.

    Raises:
        UserError: one of them is more than a value of a key, or an option of a group.
    """
    known = {*schema_keys(TrainConfig), *_GROUPS}
    for each in overrides:
        if not isinstance(each, str):
            raise _refused(each, source, "is no text")
        if "${" in each:
            raise _refused(each, source, "refers to something outside of the plan")
    try:
        parsed = OverridesParser.create().parse_overrides([str(each) for each in overrides])
    except HydraException as error:
        raise _refused(getattr(error, "override", overrides), source, "cannot be read as KEY=VALUE") from error
    for override in parsed:
        key, text = override.key_or_group, override.input_line
        if override.package is not None or (key not in known and not key.startswith(_OPEN)):
            raise _refused(text, source, "is no key of a run")
        if key in _GROUPS and not (override.value() is None or _OPTION.fullmatch(str(override.value()))):
            raise _refused(text, source, f"is no option of {key}")
    return parsed


def code_of(overrides: Iterable[Override]) -> list[tuple[str, Any]]:
    """The code that overrides name, with what it is given."""
    every, found = list(overrides), list[tuple[str, Any]]()
    for part in PARTS:
        given = [each for each in every if each.key_or_group.startswith((part.target, part.arguments))]
        if any(each.key_or_group == part.target for each in given):
            found.append((part.target, sorted(str(each.input_line).lstrip("+") for each in given)))
    own = [each for each in every if each.key_or_group == NORMALIZER.target and is_target(str(each.value()))]
    return found + [(NORMALIZER.target, str(each.input_line).lstrip("+")) for each in own]


def permit_target(overrides: Sequence[str], source: Path, named: Mapping[str, Sequence[str]]) -> None:
    """Let the code of a planned run be used if the user named it.

    Args:
        source: the plan's file, in the folder of the runs.
        named: key -> what the user typed.

    Raises:
        UserError: it comes from the plan alone, or the plan holds more than values.
    """
    parsed = check_overrides(overrides, source)
    for key, value in code_of(parsed):
        targets = {str(each.value()) for each in parsed if each.key_or_group == key} - {"None"}
        foreign = targets - set(named.get(key, ()))
        if foreign and not is_remembered(source.parent, key, value):
            target = shown(min(foreign), 200)
            raise UserError(
                f"{key}={target} comes from {source}; look at it, and allow it with {key}={target} on the command line"
            )


def permit_settings(settings: Mapping[str, Any], source: Path, named: Mapping[str, Sequence[str]]) -> None:
    """Let lines of a submission's jobs be used again if the user named them.

    Args:
        source: the folder of the submission, in ``_slurm`` of the folder of the runs.

    Raises:
        UserError: they come from the submission alone.
    """
    for name in OF_A_JOB:
        key, value = f"hydra.launcher.{name}", settings.get(name)
        if not value or is_remembered(source.parent.parent, key, value):
            continue
        if value not in [_read(text) for text in named.get(key, ())]:
            raise UserError(
                f"{key}={shown(str(value), 200)} comes from {source}/submission.json; look at it, and allow it with "
                f"'{key}={shown(str(value), 200)}' on the command line"
            )


def remember_code(folder: Path, runs: Iterable[Sequence[str]], settings: Mapping[str, Any] | None) -> None:
    """Keep what the user has named by starting these runs, so that ``runs.py retry=`` may start them again."""
    found = {}
    for overrides in runs:
        if any(target in each for each in overrides for target in TARGETS):
            for key, value in code_of(OverridesParser.create().parse_overrides(list(overrides))):
                found[key, str(value)] = (key, value)
    lines = [(f"hydra.launcher.{name}", settings[name]) for name in OF_A_JOB if settings and settings.get(name)]
    remember(folder, [*found.values(), *lines])


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _refused(text: object, source: Path, why: str) -> UserError:
    return UserError(
        f"{shown(str(text), 120)} in {source}: {why}, and nothing else is taken from a plan; start the sweep again"
    )
