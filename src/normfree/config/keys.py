"""The grammar of commands: ``key=value`` words, read into a dataclass whose fields say what they are.

Lists have commas between their values, and brackets around them if one likes; what is on or off is true or false; null
is the value of a key that may be left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from normfree.config.errors import UserError, nearest
from normfree.config.key_readers import Reader, reader_of
from normfree.config.other_words import remedy

T = TypeVar("T")

_WIDE = 11
_SHORT = 8
"""Characters of a default that stands in its own column."""


def key(default: Any, text: str, read: Reader | None = None, *, typed: str | None = None) -> Any:
    """A field of a dataclass of keys.

    Args:
        default: where it is a list, every instance has its own.
        text: what the help says.
        read: turns what was typed into the value, or raises ValueError with the remedy; from the default if not given.
        typed: the key on the command line, where it is not the field's name; both are taken.
    """
    about = {"text": text, "read": read or reader_of(default), "typed": typed}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=about)
    return field(default=default, metadata=about)


def names_of(kind: type[Any]) -> list[str]:
    """The keys of a dataclass, as they are typed."""
    return [_name(each) for each in fields(kind) if each.metadata]


def read_keys(
    kind: type[T],
    words: Sequence[str],
    *,
    command: str,
    of: str = "",
    further: Iterable[str] = (),
    flags: Mapping[str, str] | None = None,
    elsewhere: Callable[[str], str] = lambda name: "",
) -> T:
    """An instance of ``kind`` with the values that were typed.

    Args:
        command: whose ``--help`` tells the keys.
        of: what the keys are of, " of probe=signal" for instance.
        further: keys that are read elsewhere and belong to the list.
        flags: what is said of flags.
        elsewhere: what is said of a key that is not one of these, or an empty string.

    Raises:
        UserError: a word that is no key=value, an unknown key, one that is given twice, or a value that is none.
    """
    known = {_name(each): each for each in fields(kind) if each.metadata}  # type: ignore[arg-type]
    taken = known | {each.name: each for each in known.values()}
    given: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if word.startswith("-"):
            raise UserError(f"{word}: {_flag(name, text, taken, command, flags or {})}")
        if not equals:
            example = f"{word}=..." if word in taken else f"{next(iter(known))}={word}"
            other = "" if word in taken else remedy(word)
            raise UserError(f"{word}: {other or f'give key=value, such as {example}'}")
        if name not in taken:
            told = elsewhere(name)
            if not told:
                listed = ", ".join((*known, *further))
                there = f"{nearest(name, taken) or _other_word(name, text, taken)}; there are: {listed}"
                told = f"no such key{of}{there}; {command} --help"
            raise UserError(f"{word}: {told}")
        each = taken[name]
        if each.name in given:
            raise UserError(f"{word}: {name} is given twice; give it once")
        try:
            given[each.name] = each.metadata["read"](text)
        except ValueError as error:
            raise UserError(f"{word}: {error}") from error
    return kind(**given)


def rows(kind: type[Any], indent: int = 2) -> list[str]:
    """The part of a help text that lists the keys: name, default and what they are."""
    listed = [each for each in fields(kind) if each.metadata]
    width = max(_WIDE, *(len(_name(each)) for each in listed))
    lines = []
    for each in listed:
        default, text = shown(_default(each)), each.metadata["text"]
        if len(default) > _SHORT:
            default, text = "", f"{text}; default: {default}"
        lines.append(f"{' ' * indent}{_name(each):{width}}  {default:{_SHORT}} {text}".rstrip())
    return lines


def shown(value: Any) -> str:
    """A value as it is typed; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _name(each: "Field[Any]") -> str:
    return each.metadata["typed"] or each.name


def _default(each: "Field[Any]") -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _flag(name: str, text: str, known: Mapping[str, Any], command: str, flags: Mapping[str, str]) -> str:
    if name in flags:
        return flags[name]
    plain = name.lstrip("-").replace("-", "_")
    if plain in known:
        return f"no such flag; write {plain}={text or '...'}, without dashes"
    said = _other_word(name, text, known).removeprefix("; ")
    return f"no such flag; {said}; {command} --help" if said else f"no such flag; {command} --help"


def _other_word(name: str, text: str, known: Mapping[str, Any]) -> str:
    """What another tool's word is here, if it is a key of this command."""
    found = remedy(name, text)
    return f"; {found}" if any(found.startswith(f"write {each}=") for each in known) else ""
