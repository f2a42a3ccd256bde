"""From the grids of an experiment to the overrides of each combination."""

import json
from collections.abc import Callable
from typing import Any

from normfree.config import UserError
from normfree.config.names import key_of

ARMS = "arms"


def expand(
    grids: dict[str, Any],
    arguments: list[str],
    combinations: Callable[[list[str]], list[list[str]]],
) -> list[tuple[list[str], list[str]]]:
    """The overrides of every combination, each once, with the names of the grids it stands in.

    A grid is a table of keys with comma lists of values, combined in full. Its key ``arms`` is a list of lines such
    as ``model=resnet20 clip=none`` of which each combination takes one. What was typed outweighs the grid's own value.

    Args:
        grids: name -> grid; empty for a plain sweep over what was typed.
        arguments: overrides as typed.
        combinations: expands overrides with comma lists into every combination.

    Raises:
        UserError: for a grid that is not a table.
    """
    typed = {key_of(argument) for argument in arguments}
    found: dict[tuple[str, ...], list[str]] = {}
    for name, grid in (grids or {"": {}}).items():
        if not isinstance(grid, dict):
            raise UserError(f"experiment.grids.{name}: must be a table of keys and values, not {grid!r}")
        arms = grid.get(ARMS, [""])
        if not isinstance(arms, list):
            raise UserError(f"experiment.grids.{name}.{ARMS}: must be a list of lines, not {arms!r}")
        own = [f"{key}={_values(value)}" for key, value in grid.items() if key != ARMS and key not in typed]
        for arm in arms:
            words = [word for word in str(arm).split() if key_of(word) not in typed]
            for one in combinations([*arguments, *words, *own]):
                names = found.setdefault(tuple(one), [])
                if name:
                    names.append(name)
    return [(list(one), names) for one, names in found.items()]


def _values(value: Any) -> str:
    return ",".join(map(_word, value)) if isinstance(value, list) else _word(value)


def _word(value: Any) -> str:
    """A value as it is typed: YAML's null and yes are Python's ``None`` and ``True``."""
    return str(value) if isinstance(value, str) else json.dumps(value)
