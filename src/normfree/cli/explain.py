"""Hydra's and OmegaConf's errors as one line that names key, value and remedy."""

import re
import sys
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf.errors import InterpolationResolutionError, ValidationError

from normfree.config import TrainConfig, UserError
from normfree.config.errors import closest
from normfree.config.other_words import remedy
from normfree.config.parts import CUSTOM, PARTS, is_target
from normfree.config.schema_keys import schema_keys
from normfree.host.wording import counted

_SHOWN = 5
"""Of many options, the nearest."""

_EXACT = 2**53
"""From here on a float is no whole number to the last digit."""


def explain(error: BaseException) -> str:
    """One line without a newline."""
    if isinstance(error, UserError):
        return _one_line(str(error))
    if isinstance(error, OverrideParseException):
        return f"{error.override}: cannot be read as KEY=VALUE; quote what the shell or Hydra would take apart"
    several = re.search(r"Ambiguous value for argument '([^']+)'", str(error))
    if several:
        return f"{several.group(1)}: several values make a sweep; add -m, or write one value"
    chain = _chain(error)
    for link in chain:
        if isinstance(link, MissingConfigException) and link.options is not None:
            return _unknown_option(link)
        line = _unknown_group(str(link)) or _unknown_key(str(link)) or _wrong_type(link)
        if line:
            return line
    message = _one_line(str(chain[-1]) or type(chain[-1]).__name__)
    if isinstance(chain[-1], InterpolationResolutionError):
        return f"{message}; set the key that it refers to"
    return message


def _chain(error: BaseException) -> list[BaseException]:
    links = [error]
    while (cause := links[-1].__cause__ or links[-1].__context__) is not None and cause not in links:
        links.append(cause)
    return links


def nearest(word: str, known: list[str]) -> str:
    """``did you mean X?``, and all there are or, of many, the nearest."""
    close = closest(word, known, _SHOWN)
    few = sorted(known) if len(known) <= _SHOWN + 3 else sorted(close) or sorted(known)[:_SHOWN]
    more = len(known) - len(few)
    shown = ", ".join(few) + (f" and {counted(more, 'other')} (python train.py --help)" if more else "")
    return f"did you mean {close[0]}? There are: {shown}" if close else f"there are: {shown}"


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = [name for name in error.options or [] if not name.startswith("_")]
    own = next((part for part in PARTS if part.group == group), None)
    yours = f"; for one of yours: {group}={CUSTOM} {own.target}={option}" if own and is_target(option) else ""
    return f"{group}={option}: no such option; {nearest(option, options)}{yours}"


def _unknown_group(message: str) -> str:
    found = re.search(r"Could not override '([^']+)'\.\s*\n?No match in the defaults list", message)
    return _no_such_key(found.group(1)) if found else ""


def _unknown_key(message: str) -> str:
    found = re.search(r"Could not override '([^']+)'", message)
    if found:
        return _no_such_key(found.group(1))
    found = re.search(r"Key '([^']+)' (?:is not in struct|not in '\w+')(?:\s+full_key: (\S+))?", message)
    return _no_such_key(found.group(2) or found.group(1)) if found else ""


def _no_such_key(key: str) -> str:
    typed = next((word for word in sys.argv[1:] if word.lstrip("+~").startswith(f"{key}=")), key)
    group, _, name = key.partition(".")
    if name and f"{group}={CUSTOM}" in sys.argv[1:]:
        value = typed.partition("=")[2] or "..."
        return f"{typed}: no such key; to give it to what is yours: {group}.arguments.{name}={value}"
    if found := remedy(key, typed.partition("=")[2]):
        return f"{typed}: no such key; {found}"
    known = schema_keys(TrainConfig)
    by_leaf = {name.rpartition(".")[2]: name for name in reversed(known)}
    leaf = key.rpartition(".")[2]
    close = [by_leaf[leaf]] if leaf in by_leaf else closest(key, known)
    if not close:
        near = closest(leaf, by_leaf, cutoff=0.6)
        close = [by_leaf[near[0]]] if near else []
    hint = f"did you mean {close[0]}?" if close else "python train.py --help lists groups and keys"
    return f"{typed}: no such key; {hint}"


def _wrong_type(error: BaseException) -> str:
    key = getattr(error, "full_key", None)
    if not isinstance(error, ValidationError) or not key:
        return ""
    found = re.search(r"Value '(.*?)'(?: of type '(\w+)')? (?:could not|is not|cannot)", str(error), re.DOTALL)
    typed = (word.partition("=") for word in sys.argv[1:])
    value = found.group(1) if found else next((text for name, _, text in typed if name.lstrip("+~") == key), None)
    if value is None:
        return ""
    kind = _kind(key)
    if not kind:
        return _one_line(f"{key}={value}: {str(error).splitlines()[0]}")
    way = _way(key, value, kind)
    return f"{key}={value}: not {kind}{f'; {way}' if way else ''}"


def _way(key: str, value: str, kind: str) -> str:
    """How a value of this kind is written that was meant by what was typed; empty where that cannot be told."""
    group, _, name = key.partition(".")
    if name and f"{group}={CUSTOM}" in sys.argv[1:]:
        return f"to give it to what is yours: {group}.arguments.{name}={value}"
    if kind.startswith(_KINDS[list]):
        return f"write '{key}=[{value}]'"
    if kind.startswith(_KINDS[dict]):
        return f"write '{key}={{NAME: VALUE}}'"
    if not kind.startswith(_KINDS[int]):
        return ""
    if (ends := re.fullmatch(r"(\d{1,6})(?:-|\.\.|:)(\d{1,6})", value)) and int(ends[1]) < int(ends[2]):
        return f"of several values a sweep (-m) is made: '{key}=range({ends[1]},{int(ends[2]) + 1})'"
    try:
        whole = float(value)
    except ValueError:
        return ""
    return f"write {key}={whole:.0f}" if whole.is_integer() and abs(whole) < _EXACT else ""


_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    list: "a list",
    dict: "names and values",
}


def _kind(key: str) -> str:
    """What a key's value is, in words; of ``key[0]`` what an element is."""
    kind: Any = TrainConfig
    name, *places = key.split("[")
    for part in name.split("."):
        kind = get_type_hints(kind).get(part) if is_dataclass(kind) and isinstance(kind, type) else None
    for _ in places:
        kind = next(iter(get_args(_alone(kind))), None)
    kinds = get_args(kind) if _is_union(kind) else (kind,)
    texts = [_KINDS.get(get_origin(each) or each, "") for each in kinds if each is not type(None)]
    return ", or ".join([*texts, *["null"] * (type(None) in kinds)]) if all(texts) else ""


def _alone(kind: Any) -> Any:
    """A type without ``| None``."""
    if _is_union(kind):
        return next(option for option in get_args(kind) if option is not type(None))
    return kind


def _is_union(kind: Any) -> bool:
    return isinstance(kind, UnionType) or get_origin(kind) is Union


def _one_line(text: str) -> str:
    return " ".join(text.split())
