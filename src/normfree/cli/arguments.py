"""A command line before Hydra reads it: what Hydra would answer with a traceback or a page is told in one line."""

import re
from collections.abc import Iterator, Sequence

from normfree.cli.drawn import refuse_unknown_kinds
from normfree.cli.sized import with_size
from normfree.config import TrainConfig, UserError
from normfree.config.errors import closest
from normfree.config.other_words import remedy
from normfree.config.parts import PARTS
from normfree.config.places import Places
from normfree.config.schema_keys import schema_keys

_FLAGS = {
    "-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run", "-m", "--multirun", "-sc",
    "--shell-completion",
}  # fmt: skip
_FLAGS_WITH_A_VALUE = {
    "-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir", "-i",
    "--info", "--experimental-rerun",
}  # fmt: skip
_INFO, _ABOUT = ("-i", "--info"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""A flag with a value that may be left away, and its values."""
_EMPTY = ("null", "none", "false", "no")
_NONE = {"logger": "csv"}
"""Options that are a group's 'none' by another name."""
_OPEN = re.compile(rf"({'|'.join(part.group for part in PARTS)})\.arguments\.[\w.]+|evaluate_also\.[\w.-]+")
"""Keys that no schema names."""
_CONTRADICTIONS = (("steps", "epochs"),)


def prepared(arguments: Sequence[str], places: Places) -> list[str]:
    """The arguments for Hydra: ``GROUP=null``, ``GROUP=False`` and ``~GROUP`` are the group's option ``none``, and
    ``size=`` is what the experiment says of that size.

    Flags come first, wherever they were typed.

    Args:
        places: where the groups lie.

    Raises:
        UserError: for a word that is no flag of ours and no KEY=VALUE, a group that is never empty, or an experiment
            whose report could not be drawn.
    """
    sized = with_size(arguments, places)
    refuse_unknown_kinds(sized, places)
    words = list(_words(sized, places))
    flags = [argument for argument, is_override in words if not is_override]
    read = [_read(argument, places) for argument, is_override in words if is_override]
    return [*flags, *(argument for argument in read if argument)]


def _words(arguments: Sequence[str], places: Places) -> Iterator[tuple[str, bool]]:
    """Each with whether it is an override."""
    value = False
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, equals, _ = argument.partition("=")
        if value or not argument.startswith("-"):
            yield argument, not value
            value = False
        elif flag in _INFO and not equals and after not in _ABOUT:
            yield "--info=all", False
        elif flag in _FLAGS | _FLAGS_WITH_A_VALUE:
            value = flag in _FLAGS_WITH_A_VALUE and not equals
            yield argument, False
        else:
            raise UserError(_no_such_flag(argument, after, places))


def _no_such_flag(argument: str, after: str, places: Places) -> str:
    """What to write in its place: after ``--lr 0.1``, lr=0.1.

    Args:
        after: the word behind it.
    """
    word, equals, value = argument.partition("=")
    plain = word.lstrip("-").replace("-", "_")
    if not equals and after and "=" not in after and not after.startswith("-"):
        value, argument = after, f"{argument} {after}"
    known = schema_keys(TrainConfig)
    close = [plain] if plain in known or places.is_group(plain) else closest(plain, known, cutoff=0.75)
    if not (told := remedy(word, value)) and (close or equals):
        told = f"write {(close or [word.lstrip('-')])[0]}={value or '...'}, without dashes"
    return f"{argument}: no such flag; {told or 'python train.py --help'}"


def _value_of(name: str) -> str:
    """What a word without a value lacks, where it is a plain word."""
    if not re.fullmatch(r"[\w./]+", name):
        return ""
    if name in schema_keys(TrainConfig):
        return f"give it a value: {name}=..."
    return "write a key and its value, such as model=resnet20; python train.py --help"


def _read(argument: str, places: Places) -> str:
    """Empty where nothing is said."""
    key, equals, value = argument.partition("=")
    name = key.lstrip("+~")
    if not equals and not key.startswith("~"):
        raise UserError(
            f"{argument}: cannot be read as KEY=VALUE; "
            + (remedy(argument) or _value_of(name) or "quote what the shell or Hydra would take apart")
        )
    if name in ("hydra.launcher", "hydra.sweeper"):
        raise UserError(f"{argument}: write {name.replace('.', '/')}={value}, with a stroke: it is a group")
    if re.fullmatch(r"[\w/]+", name) and places.is_group(name) and not name.startswith("hydra"):
        if "" in value.split(",") and not key.startswith("~"):
            raise UserError(f"{argument}: is empty; {_instead(name, places)}")
        if name == "experiment" and (key.startswith("~") or value.lower() in _EMPTY):
            return ""
        if key.startswith("~"):
            return f"{name}={_empty(name, places, argument)}"
        if not re.search(r"[\[\]{}()'\"]", value):
            parts = [_empty(name, places, argument) if part.lower() in _EMPTY else part for part in value.split(",")]
            return f"{key}={','.join(parts)}"
        return argument
    if _OPEN.fullmatch(key):
        return f"++{argument}"  # Hydra adds a new name with +, changes one that is there without, and does both so.
    if key.startswith("~"):
        raise UserError(f"{argument}: a key cannot be taken out; leave it away to have its usual value")
    return argument


def _empty(name: str, places: Places, typed: str) -> str:
    """The option that stands for nothing."""
    option = _NONE.get(name, "none")
    if option in places.options(name):
        return option
    raise UserError(f"{typed}: {name} is never empty; {_instead(name, places)}")


def _instead(name: str, places: Places) -> str:
    options = places.options(name)
    return f"leave it away, or choose one of {', '.join(options[:6])}{', ...' if len(options) > 6 else ''}"


def refuse_contradictions(arguments: Sequence[str]) -> None:
    """Two keys that say the same thing twice, both typed.

    Raises:
        UserError: names both.
    """
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    for first, second in _CONTRADICTIONS:
        if {first, second} <= set(given) and "null" not in (given[first], given[second]):
            raise UserError(f"{first}={given[first]} and {second}={given[second]}: give one of them; the other follows")
