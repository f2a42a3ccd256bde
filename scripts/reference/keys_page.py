"""Every key of a configuration with its type, default, range and meaning, from the schema and the comments in it."""

import ast
import inspect
import io
import re
import tokenize
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

from omegaconf import MISSING as OF_THE_OPTION

from normfree.config import schema
from normfree.config.validate import RANGES

_HEAD = """\
# Keys of a configuration

A run has one configuration. `normfree train --cfg job --resolve` prints it whole; `normfree train --help` lists the
groups with their options. A key is written `group.key=value` on the command line, such as `clip.clip_factor=0.04`, and
an option of a group `group=option`. The command line comes before an experiment file, that before the options,
and those before the defaults below. A key, a type or a value that is not here is an error of one line.

*of the option* is a value that the chosen option of the group gives; *null* leaves the choice to what the text
says, or to the network or data set.

"""
_WORDS = {"int": "whole number", "float": "number", "str": "text", "bool": "true or false", "Any": "any"}


def page() -> str:
    """Markdown of docs/reference/keys.md.

    Raises:
        LookupError: a key that has no text in the schema.
    """
    top = fields(schema.TrainConfig)
    hints = get_type_hints(schema.TrainConfig)
    groups = [each for each in top if is_dataclass(hints[each.name])]
    parts = [_HEAD, _section("Top level", schema.TrainConfig, "", [each for each in top if each not in groups])]
    for each in groups:
        kind = hints[each.name]
        parts.append(_section(f"`{each.name}`", kind, f"{each.name}.", list(fields(kind))))
    return "\n".join(parts)


def _section(title: str, kind: type[Any], prefix: str, of: "list[Field[Any]]") -> str:
    about = (
        inspect.cleandoc(kind.__doc__ or "").replace("``", "`").replace("`None`", "*null*").replace("None", "*null*")
    )
    names = {each.name for each in of}
    rows = section_rows(prefix, kind, names)
    table = ["| key | type | default | meaning |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join([f"## {title}\n", _meaning("", about), "", *table, ""])


def section_rows(prefix: str, kind: type[Any], names: "set[str] | None" = None) -> list[tuple[str, str, str, str]]:
    """Key, type, default and meaning of the fields of a dataclass.

    Raises:
        LookupError: one that has no text.
    """
    texts, hints, rows = texts_of(kind), get_type_hints(kind), []
    for each in fields(kind):
        if names is not None and each.name not in names:
            continue
        key = prefix + each.name
        if not texts.get(each.name):
            raise LookupError(f"{key}: no text in src/normfree/config/schema.py; write a comment behind it")
        cells = (f"`{key}`", type_of(hints[each.name]), _default(each), _meaning(key, texts[each.name]))
        rows.append(tuple(cell.replace("|", "\\|") for cell in cells))
    return rows


def texts_of(kind: type[Any]) -> dict[str, str]:
    """What the comments of a dataclass say of its fields: behind a field, or on lines of their own before it."""
    source = inspect.getsource(kind)
    comments = {
        token.start[0]: (token.string.lstrip("# "), token.line.lstrip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            line, before = node.lineno, []
            while comments.get(line - 1, ("", False))[1]:
                line -= 1
                before.insert(0, comments[line][0])
            behind = comments.get(node.end_lineno or node.lineno, ("", True))
            found[node.target.id] = " ".join([*before, *([] if behind[1] else [behind[0]])])
    return found


def type_of(hint: Any) -> str:
    """A type in words."""
    text = str(hint) if hasattr(hint, "__args__") else getattr(hint, "__name__", str(hint))
    text = text.replace("typing.", "").replace(" | None", "").replace("bool | int", "true, false or int")
    text = re.sub(r"^list\[(.*)\]$", lambda found: f"list of {found[1].replace('Any', 'entries')}", text)
    text = re.sub(r"^dict\[.*\]$", "mapping", text)
    text = re.sub(r"\b(int|float|str|bool|Any)\b", lambda found: _WORDS[found[1]], text)
    return re.sub(r"^list of (whole number|number)$", r"list of \1s", text).replace("list of text", "list of texts")


def _default(each: "Field[Any]") -> str:
    value = each.default if each.default is not MISSING else each.default_factory()  # type: ignore[misc]
    if value == OF_THE_OPTION:
        return "*of the option*"
    if value is None:
        return "*null*"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", [], {}) else "empty"


def _meaning(key: str, text: str) -> str:
    text = re.sub(r"\bNone\b", "*null*", text)
    text = re.sub(r"\bdocs/([\w/.-]+\.md)", r"[\1](../\1)", text)
    text = re.sub(r"\b(normfree(?:\.\w+)+)", r"`\1`", text)
    text = re.sub(r"(?<![\w`/])(_target_|[a-z_]+[./][a-z_]+=[^\s,;:]+|size=\.\.\.)", r"`\1`", text)
    return f"{text.rstrip('.')}; {RANGES[key][2]}" if key in RANGES else text
