"""What an experiment file wants drawn and judged, looked at before its runs are trained, without what draws."""

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import normfree
from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.experiment_sizes import node_of, sizes_of
from normfree.config.places import EXPERIMENT, Places

_PARTS = {
    "panels": ("report/figures", ("kind", "title", "where", "series")),
    "claims": ("study/claims", ("kind", "claim", "where", "a", "b")),
}
"""Where the kinds are, a file each, and the keys that all of them have."""


def refuse_unknown_kinds(words: Sequence[str], places: Places) -> None:
    """Kinds of panels and claims that there are not, and keys that a kind does not read.

    Raises:
        UserError: for the first of them.
    """
    names = [word.partition("=")[2] for word in words if word.startswith(f"{EXPERIMENT}=")]
    for name in [one for several in names for one in several.split(",")]:
        path = places.find(f"{EXPERIMENT}/{name}.yaml")
        if path is None:  # Hydra tells which experiments there are
            continue
        node = node_of(path, name)
        for content in (node, *sizes_of(node, name).values()):
            for part in _PARTS:
                given = content.get(part)
                for key, value in given.items() if isinstance(given, Mapping) else ():
                    _refuse(f"{EXPERIMENT}.{part}.{key}", part, value)


def _refuse(place: str, part: str, value: Any) -> None:
    if not isinstance(value, Mapping) or "kind" not in value:
        return  # a size may change a panel of the file
    known, kind = _kinds(part), str(value["kind"])
    if kind not in known:
        raise UserError(f"{place}.kind={kind}: no such kind{nearest(kind, known)}; there are: {', '.join(known)}")
    every = {*known[kind], *_PARTS[part][1]}
    for key in value:
        if str(key) not in every:
            raise UserError(f"{place}.{key}: no such key of kind {kind}{nearest(str(key), every)}")


@cache
def _kinds(part: str) -> dict[str, frozenset[str]]:
    """The keys of every kind, read from its file: importing what draws takes longer than a plan."""
    folder = Path(normfree.__file__).parent / _PARTS[part][0]
    return {path.stem: _options(path) for path in sorted(folder.glob("[!_]*.py"))}


def _options(path: Path) -> frozenset[str]:
    for line in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and [ast.unparse(target) for target in line.targets] == ["OPTIONS"]:
            return frozenset(ast.literal_eval(line.value))
    return frozenset()
