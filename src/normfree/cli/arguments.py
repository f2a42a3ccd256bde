"""A command line before Hydra reads it: what Hydra would answer with a traceback or a page is told in one line."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from normfree.config import UserError
from normfree.config.other_words import remedy

_FLAGS = {
    "-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run", "-m", "--multirun", "-sc",
    "--shell-completion",
}  # fmt: skip
_FLAGS_WITH_A_VALUE = {
    "-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir", "-i",
    "--info", "--experimental-rerun",
}  # fmt: skip
_EMPTY = ("null", "none", "false", "no", "")
_NONE = {"logger": "csv"}
"""Options that are a group's 'none' by another name."""


def prepared(arguments: Sequence[str], conf: Path) -> list[str]:
    """The arguments for Hydra: ``GROUP=null``, ``GROUP=False`` and ``~GROUP`` are the group's option ``none``.

    Args:
        conf: the folder of the groups.

    Raises:
        UserError: for a word that is no flag of ours and no KEY=VALUE, or a group that is never empty.
        SystemExit: after ``--version``.
    """
    if "--version" in arguments:
        print(f"normfree {version('normfree')}")
        raise SystemExit(0)
    read = (_read(argument, conf) if is_override else argument for argument, is_override in _words(arguments))
    return [argument for argument in read if argument]


def _words(arguments: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each with whether it is an override."""
    value = False
    for argument in arguments:
        flag, equals, _ = argument.partition("=")
        if value:
            value = False
        elif argument.startswith("-"):
            if flag not in _FLAGS | _FLAGS_WITH_A_VALUE:
                raise UserError(f"{argument}: no such flag; {_told(argument) or 'python train.py --help'}")
            value = flag in _FLAGS_WITH_A_VALUE and not equals
        else:
            yield argument, True
            continue
        yield argument, False


def _told(argument: str) -> str:
    word, equals, value = argument.partition("=")
    if (found := remedy(word, value)) or not equals:
        return found
    return f"write {word.lstrip('-')}={value}, without dashes"


def _read(argument: str, conf: Path) -> str:
    """Empty where nothing is said."""
    key, equals, value = argument.partition("=")
    name = key.lstrip("+~")
    group = conf / name
    if not equals and not key.startswith("~"):
        raise UserError(
            f"{argument}: cannot be read as KEY=VALUE; "
            + (remedy(argument) or "quote what the shell or Hydra would take apart")
        )
    if name in ("hydra.launcher", "hydra.sweeper"):
        raise UserError(f"{argument}: write {name.replace('.', '/')}={value}, with a stroke: it is a group")
    if re.fullmatch(r"[\w/]+", name) and group.is_dir() and not name.startswith("hydra"):
        if name == "experiment" and (key.startswith("~") or value.lower() in _EMPTY):
            return ""
        if key.startswith("~"):
            return f"{name}={_empty(name, group, argument)}"
        if not re.search(r"[\[\]{}()'\"]", value):
            parts = [_empty(name, group, argument) if part.lower() in _EMPTY else part for part in value.split(",")]
            return f"{key}={','.join(parts)}"
        return argument
    if key.startswith("~"):
        raise UserError(f"{argument}: a key cannot be taken out; leave it away to have its usual value")
    return argument


def _empty(name: str, group: Path, typed: str) -> str:
    """The option that stands for nothing."""
    option = _NONE.get(name, "none")
    if (group / f"{option}.yaml").is_file():
        return option
    options = sorted(path.stem for path in group.glob("*.yaml"))
    shown = ", ".join(options[:6]) + (", ..." if len(options) > 6 else "")
    raise UserError(f"{typed}: {name} is never empty; leave it away, or choose one of {shown}")
