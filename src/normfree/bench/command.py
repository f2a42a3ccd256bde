"""The command ``python bench.py SUITE key=value ...``: one suite a file, its options a dataclass."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import MISSING, fields
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from normfree.config import UserError

_FIRST = ("nets", "clip", "data", "loop", "sweep")
"""Told in this order; others by their names, and the page of all of them last."""
_LAST = "summary"


@cache
def suites() -> dict[str, str]:
    """Every module of this package that says what it measures (``SUITE``), found without importing it.

    Each has a dataclass ``Options`` and a function ``run(options)``; with a ``TITLE`` it has a section in the summary.
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        said = re.search(r'^SUITE = "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        if said:
            found[path.stem] = said[1]
    order = {name: place for place, name in enumerate(_FIRST)}
    return dict(sorted(found.items(), key=lambda each: (each[0] == _LAST, order.get(each[0], len(order)), each[0])))


HELP = """\
Measure beside peers, interleaved in one process.

{suites}

  python bench.py SUITE key=value ...     lists are written as models=resnet50,nf_resnet50
  python bench.py SUITE --help            the suite's keys

Every measurement is printed and written to its CSV file at once, with the commit, the hardware and the versions in the
row; a row that was there for the same case is replaced.
"""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0, 2 after one line on stderr, or 130 after Ctrl-C."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler otherwise talks of GPUs that are not there
    try:
        return _run(list(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was measured is in the CSV file", file=sys.stderr)
        return 130


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP.replace("{suites}", "\n".join(f"  {name:8} {what}" for name, what in suites().items())))
        return 0
    name, *settings = arguments
    if name not in suites():
        raise UserError(f"{name}: no such suite; there are: {', '.join(suites())}")
    suite = import_module(f"normfree.bench.{name}")
    if {"-h", "--help"} & set(settings):
        print(_suite_help(name, suite))
        return 0
    suite.run(parse(suite.Options, settings))
    return 0


def _suite_help(name: str, suite: ModuleType) -> str:
    options = suite.Options()
    rows = [
        f"  {field.name:16} {_text(getattr(options, field.name)):44} {field.metadata['help']}"
        for field in fields(options)
    ]
    return "\n".join([f"python bench.py {name} key=value ...", "", (suite.__doc__ or "").strip(), "", *rows])


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "null" if value is None else str(value).lower()


def parse(options: type[Any], settings: Sequence[str]) -> Any:
    """An instance of the dataclass `options` from ``key=value`` texts.

    Raises:
        UserError: an unknown key, or a value that is not of the key's type or not among its choices.
    """
    known = {field.name: field for field in fields(options)}
    given: dict[str, Any] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"{text}: give key=value, such as {next(iter(known))}=...")
        if key not in known:
            raise UserError(f"{key}={value}: no such key; there are: {', '.join(known)}")
        field = known[key]
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        given[key] = _value(text, value, default, field.metadata)
    return options(**given)


def _value(text: str, value: str, default: object, metadata: Any) -> object:
    if value == "null" and metadata.get("optional"):
        return None
    if isinstance(default, list):
        kind = type(default[0]) if default else str
        return [_one(text, part, kind, metadata) for part in value.strip("[]").split(",") if part]
    return _one(text, value, metadata.get("type", type(default)), metadata)


def _one(text: str, value: str, kind: type, metadata: Any) -> object:
    value = value.strip()
    choices = metadata.get("choices")
    if choices and value not in choices:
        raise UserError(f"{text}: choose from {', '.join(choices)}")
    if kind is bool:
        if value.lower() not in ("true", "false"):
            raise UserError(f"{text}: give true or false")
        return value.lower() == "true"
    if kind is int:
        if not value.isdigit() or int(value) < 1:
            raise UserError(f"{text}: give a whole number of at least 1")
        return int(value)
    return value
