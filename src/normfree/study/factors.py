"""Factors of runs that left no result: from their overrides, and from the runs with the same overrides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from normfree.config.yaml_file import parse_yaml

_GROUPS = {"model": "model.name", "clip": "clip.name", "data": "data.name", "augment": "augment.name"}
_VALUES = {"batch": "batch.global", "model.ghost_batch": "batch.norm_batch"}
_INHERITED = ("model", "clip", "data", "batch")
_SCALARS = ("lr", "precision", "steps")
_OF_THE_MACHINE = ("runs_dir", "data.root", "data.cache", "data.workers", "trainer.threads")
"""Keys that change no result and would carry a machine's paths into a report."""
_OF_RESULTS = ("arm_id", "status", "reason", "traceback", "overrides", "grids", "series")
"""What no override gives; nor do they give measurements, whose names have a slash."""


def split_override(override: str) -> tuple[str, str]:
    """`+clip.clip_factor=0.01` as (`clip.clip_factor`, `0.01`)."""
    key, _, value = override.lstrip("+~").partition("=")
    return key.strip(), value.strip()


def scientific(overrides: Iterable[str]) -> list[str]:
    """Without what says where a run computes and keeps things."""
    return [one for one in overrides if split_override(one)[0] not in _OF_THE_MACHINE]


def override_factors(overrides: Iterable[str]) -> dict[str, Any]:
    """Factor names and values of Hydra overrides, in the names that results use."""
    factors: dict[str, Any] = {}
    for override in overrides:
        key, text = split_override(override)
        if "/" in key or key in _OF_RESULTS:
            continue
        factors[_GROUPS.get(key) or _VALUES.get(key) or key] = text if key in _GROUPS else _value(text)
    return factors


def relatives_key(overrides: Iterable[str]) -> str:
    """The overrides less the seed, in one order: the same for all runs of an arm."""
    return " ".join(sorted(one for one in overrides if split_override(one)[0] != "seed"))


def fill_from_relatives(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Complete rows without a result, and give every row its arm: `arm_id`.

    A run of the same arm (same overrides but the seed) gives all its factors. Failing that, runs with the
    same `clip` overrides give `clip.*`, and so on for each group. An arm without any result is named by its
    overrides.
    """
    if all(row.get("arm_id") is not None for row in rows):
        return rows
    arms: dict[str, dict[str, Any]] = {}
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row.get("arm_id") is None:
            continue
        key = row.get("overrides", "")
        if key:
            arms.setdefault(key, {"arm_id": row["arm_id"], **_owned(row, _INHERITED, scalars=True)})
            for group in _INHERITED[:3]:
                parts.setdefault((group, _part(key, group)), _owned(row, (group,)))
    completed = []
    for row in rows:
        if row.get("arm_id") is None:
            key = row.get("overrides", "")
            inherited: dict[str, Any] = {}
            for group in _INHERITED[:3]:
                inherited |= parts.get((group, _part(key, group)), {})
            inherited |= arms.get(key, {"arm_id": f"planned: {key}" if key else f"planned: {row['run_id']}"})
            row = {**row, **inherited}
        completed.append(row)
    return completed


def _owned(row: dict[str, Any], groups: tuple[str, ...], scalars: bool = False) -> dict[str, Any]:
    prefixes = tuple(f"{group}." for group in groups)
    return {k: v for k, v in row.items() if k.startswith(prefixes) or (scalars and k in _SCALARS)}


def _part(key: str, group: str) -> str:
    """The overrides of one group: `clip=agc clip.clip_factor=0.01`."""
    return " ".join(one for one in key.split(" ") if split_override(one)[0].split(".")[0] == group)


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        value = parse_yaml(text)
    except ValueError:
        return text
    return value if isinstance(value, str | bool | int | float) or value is None else text
