"""The keys of a configuration file beside those that its place has: a key that there is not is told with the file."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from normfree.config import TrainConfig, UserError
from normfree.config.errors import nearest
from normfree.config.other_words import remedy

GLOBAL = "_global_"
HEADER = f"# @package {GLOBAL}"
_OF_HYDRA = ("defaults", "hydra")
_EXPERIMENT = "experiment"


def check_keys(option: str, path: Path, content: Any, package: str | None) -> None:
    """Whether every key of the file ``path`` is one of the schema's.

    Args:
        option: how it is chosen, ``model=mine``.
        content: names and values.
        package: what its header says, if it has one.

    Raises:
        UserError: names the file, the key and the remedy.
    """
    group = option.partition("=")[0]
    groups = get_type_hints(TrainConfig)
    if not isinstance(content, Mapping) or group not in groups or not is_dataclass(groups[group]):
        return
    keys = [key for key in content if isinstance(key, str) and key not in _OF_HYDRA]
    if package is None:
        inside = get_type_hints(groups[group])
        if group == _EXPERIMENT or (keys and all(key in groups and key not in inside for key in keys)):
            raise UserError(f"{option}: {path} has no header; write {HEADER} as its first line")
        _refuse(option, path, groups[group], {key: content[key] for key in keys}, group)
    elif package == GLOBAL:
        _refuse(option, path, TrainConfig, {key: content[key] for key in keys}, "")


def _refuse(option: str, path: Path, schema: Any, content: Mapping[str, Any], place: str) -> None:
    wrong = next(_unknown(schema, content, f"{place}." if place else ""), None)
    if wrong is not None:
        key, known = wrong
        name = key.rpartition(".")[2]
        told = remedy(key).partition(";")[0] or "take it out, or the file if it is another project's"
        raise UserError(f"{option}: {path}: {key}: no such key{nearest(name, known)}; {told}")


def _unknown(schema: Any, content: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Keys that the schema has not, with those that it has there. What an experiment says is read by its report."""
    known = get_type_hints(schema)
    for key, value in content.items():
        if not isinstance(key, str) or key in _OF_HYDRA:
            continue
        if key not in known:
            yield f"{prefix}{key}", list(known)
        elif isinstance(value, Mapping) and is_dataclass(known[key]) and key != _EXPERIMENT:
            yield from _unknown(known[key], value, f"{prefix}{key}.")
