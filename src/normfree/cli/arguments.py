"""A command line before Hydra reads it: what Hydra would answer with a traceback or a page is told in one line."""

import re
from collections.abc import Iterator, Sequence

from normfree.cli.sized import with_size
from normfree.config import UserError
from normfree.config.other_words import remedy
from normfree.config.places import Places

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
_CONTRADICTIONS = (("steps", "epochs"),)


def prepared(arguments: Sequence[str], places: Places) -> list[str]:
    """The arguments for Hydra: ``GROUP=null``, ``GROUP=False`` and ``~GROUP`` are the group's option ``none``, and
    ``size=`` is what the experiment says of that size.

    Args:
        places: where the groups lie.

    Raises:
        UserError: for a word that is no flag of ours and no KEY=VALUE, or a group that is never empty.
    """
    words = _words(with_size(arguments, places))
    read = (_read(argument, places) if is_override else argument for argument, is_override in words)
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


def _read(argument: str, places: Places) -> str:
    """Empty where nothing is said."""
    key, equals, value = argument.partition("=")
    name = key.lstrip("+~")
    if not equals and not key.startswith("~"):
        raise UserError(
            f"{argument}: cannot be read as KEY=VALUE; "
            + (remedy(argument) or "quote what the shell or Hydra would take apart")
        )
    if name in ("hydra.launcher", "hydra.sweeper"):
        raise UserError(f"{argument}: write {name.replace('.', '/')}={value}, with a stroke: it is a group")
    if re.fullmatch(r"[\w/]+", name) and places.is_group(name) and not name.startswith("hydra"):
        if name == "experiment" and (key.startswith("~") or value.lower() in _EMPTY):
            return ""
        if key.startswith("~"):
            return f"{name}={_empty(name, places, argument)}"
        if not re.search(r"[\[\]{}()'\"]", value):
            parts = [_empty(name, places, argument) if part.lower() in _EMPTY else part for part in value.split(",")]
            return f"{key}={','.join(parts)}"
        return argument
    if key.startswith("~"):
        raise UserError(f"{argument}: a key cannot be taken out; leave it away to have its usual value")
    return argument


def _empty(name: str, places: Places, typed: str) -> str:
    """The option that stands for nothing."""
    option = _NONE.get(name, "none")
    options = places.options(name)
    if option in options:
        return option
    shown = ", ".join(options[:6]) + (", ..." if len(options) > 6 else "")
    raise UserError(f"{typed}: {name} is never empty; leave it away, or choose one of {shown}")


def refuse_contradictions(arguments: Sequence[str]) -> None:
    """Two keys that say the same thing twice, both typed.

    Raises:
        UserError: names both.
    """
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    for first, second in _CONTRADICTIONS:
        if {first, second} <= set(given) and "null" not in (given[first], given[second]):
            raise UserError(f"{first}={given[first]} and {second}={given[second]}: give one of them; the other follows")
