"""Combinations of a sweep that come to the same run: told, and refused where they read other images."""

import sys
from collections.abc import Mapping, Sequence

from normfree.config import Resolved, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources import named, read_of

_NAMED = 3

Planned = tuple[list[str], Resolved, tuple[str, ...]]
"""Overrides, what they come to, and the grids that ask for it."""


def tell_same_runs(combinations: Mapping[str, Sequence[Planned]]) -> None:
    """Name the combinations of which several are one run.

    Args:
        combinations: run id -> those that come to it. Several grids are meant to share runs, as panels
            do; what comes to one run within a grid is told.

    Raises:
        UserError: they read from places that do not hold the same images.
    """
    lines = []
    for run, each in combinations.items():
        for _, other, _ in each[1:]:
            _refuse_other_images(each[0][1].config.data, other.config.data)
        for grids in dict.fromkeys(combination[2] for combination in each):
            beside = [combination for combination in each if combination[2] == grids]
            if (count := len({" ".join(sorted(overrides)) for overrides, _, _ in beside})) > 1:
                lines.append(f"{count} combinations come to 1 run: {_without_difference(beside)} ({run})")
    for line in lines[:_NAMED]:
        print(line, file=sys.stderr, flush=True)
    if len(lines) > _NAMED:
        print(f"and {len(lines) - _NAMED} more runs that several combinations come to", file=sys.stderr, flush=True)
    # What differed between combinations of one run has been told.
    idle = dict.fromkeys(text for each in combinations.values() if len(each) == 1 for text in each[0][1].without_effect)
    for text in list(idle)[:_NAMED]:
        print(f"warning: {text}", file=sys.stderr, flush=True)


def _without_difference(combinations: Sequence[Planned]) -> str:
    """The overrides in which combinations of one run differ, and why that is nothing."""
    tables = [dict(text.lstrip("+").partition("=")[::2] for text in overrides) for overrides, _, _ in combinations]
    keys = [key for key in dict.fromkeys(key for table in tables for key in table) if _differs(key, tables)]
    parts = [f"{key}={','.join(dict.fromkeys(table.get(key, '(none)') for table in tables))}" for key in keys]
    why = [
        found[1] for key in keys for text in combinations[-1][1].without_effect
        if (found := text.split(" has no effect ", 1))[0].startswith(f"{key}=")
    ]  # fmt: skip
    reasons = f", as it has no effect {' and '.join(dict.fromkeys(why))}" if why else ""
    return f"{' '.join(parts)} makes no difference{reasons}"


def _differs(key: str, tables: Sequence[Mapping[str, str]]) -> bool:
    return len({table.get(key) for table in tables}) > 1


def _refuse_other_images(one: DataConfig, other: DataConfig) -> None:
    places = [(data.root, data.train_file, data.test_file) for data in (one, other)]
    if places[0] == places[1]:
        return
    try:
        digests = {read_of(data).digest for data in (one, other)}
    except UserError:
        digests = {""}
    if len(digests) > 1 or digests == {""}:
        name = "data.label=NAME" if named(one.name).any_set else "experiment.name=NAME"
        raise UserError(
            f"data.root={one.root} and data.root={other.root}: 2 combinations come to 1 run, as both are called "
            f"{one.label}; sweep them one after the other, each with a {name} of its own"
        )
