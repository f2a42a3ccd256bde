"""A grid with a ``search`` in the place of a key's values: the scans that each look for an edge of their own.

``search: {key: lr, from: 0.05, to: 12.8, resolution: 0.5, trains: finished}`` asks, for every combination of the
grid's other keys, for the highest value that trains, to half an octave.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.names import key_of
from normfree.runs.outcomes import TERMINAL
from normfree.sweep.grids import ARMS, expand

SEARCH = "search"
MOST_POINTS = 1000
_USUAL = {"resolution": 0.5, "trains": "finished"}
_KEYS = ("key", "from", "to", "resolution", "trains")


@dataclass(frozen=True)
class Search:
    """Which values may be tried, and what counts as training.

    Attributes:
        resolution: octaves between neighbouring values, of which there are ``last`` + 1.
        trains: outcomes of a run that trains.
    """

    key: str
    low: float
    resolution: float
    last: int
    trains: tuple[str, ...]

    def value(self, point: float) -> str:
        """As it is typed, six digits."""
        return f"{self.low * 2 ** (point * self.resolution):.6g}"


@dataclass(frozen=True)
class Scan:
    """One edge to find: overrides without the key of the search, and the grids that ask for it."""

    overrides: tuple[str, ...]
    search: Search
    grids: tuple[str, ...] = ()

    def at(self, point: int) -> list[str]:
        """The overrides of the run that tries a point."""
        return [*self.overrides, f"{self.search.key}={self.search.value(point)}"]


def without_searches(grids: Mapping[str, Any], arguments: list[str]) -> dict[str, Any]:
    """The grids that are combined as they stand: where the key of a search was typed, nothing is searched for."""
    typed = {key_of(argument) for argument in arguments}
    plain = {}
    for name, grid in grids.items():
        if not isinstance(grid, dict) or SEARCH not in grid:
            plain[name] = grid
        elif search_of(name, grid).key in typed:
            plain[name] = {key: value for key, value in grid.items() if key != SEARCH}
    return plain


def scans_of(
    grids: Mapping[str, Any], arguments: list[str], combinations: Callable[[list[str]], list[list[str]]]
) -> list[Scan]:
    """The scans of all grids with a search, each once; arguments as for `normfree.sweep.grids.expand`.

    Raises:
        UserError: for a search that cannot be used.
    """
    found: dict[tuple[tuple[str, ...], Search], list[str]] = {}
    searched = {name: grid for name, grid in grids.items() if name not in without_searches(grids, arguments)}
    for name, grid in searched.items():
        search = search_of(name, grid)
        rest = {name: {key: value for key, value in grid.items() if key != SEARCH}}
        for overrides, names in expand(rest, arguments, combinations):
            found.setdefault((tuple(overrides), search), []).extend(names)
    return [Scan(overrides, search, tuple(names)) for (overrides, search), names in found.items()]


def search_of(name: str, grid: Mapping[str, Any]) -> Search:
    """The search of a grid.

    Raises:
        UserError: names key, value and remedy.
    """
    place, given = f"experiment.grids.{name}.{SEARCH}", grid[SEARCH]
    if not isinstance(given, Mapping):
        raise UserError(f"{place}={given!r}: give {{key: lr, from: 0.05, to: 12.8}}")
    for key in given:
        if key not in _KEYS:
            raise UserError(f"{place}.{key}: no such key{nearest(str(key), _KEYS)}; there are: {', '.join(_KEYS)}")
    for key in ("key", "from", "to"):
        if given.get(key) is None:
            raise UserError(f"{place}.{key}: is missing; give {{key: lr, from: 0.05, to: 12.8}}")
    values = _USUAL | dict(given)
    factor = str(values["key"])
    arms = grid.get(ARMS)
    words = [word for arm in arms for word in str(arm).split()] if isinstance(arms, list) else []
    if factor in grid or factor in {key_of(word) for word in words}:
        raise UserError(f"{place}.key={factor}: the grid gives it a value already; take one of them out")
    low, high, resolution = (_positive(f"{place}.{key}", values[key]) for key in ("from", "to", "resolution"))
    if high <= low:
        raise UserError(f"{place}.to={high:g}: is not above from={low:g}; give the higher end")
    steps = math.log2(high / low) / resolution
    last = round(steps)
    if last < 1 or abs(steps - last) > 0.01:
        better = low * 2 ** (max(1, math.ceil(steps)) * resolution)
        raise UserError(
            f"{place}.to={high:g}: is {math.log2(high / low):.3g} octaves above {low:g}, no multiple of "
            f"resolution={resolution:g}; give to: {better:.6g}"
        )
    if last >= MOST_POINTS:
        raise UserError(f"{place}.resolution={resolution:g}: makes {last + 1} values; give a greater one")
    return Search(factor, low, resolution, last, _outcomes(f"{place}.trains", values["trains"]))


def _positive(place: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value > 0):
        raise UserError(f"{place}={value}: give a number above 0")
    return float(value)


def _outcomes(place: str, value: Any) -> tuple[str, ...]:
    words = value if isinstance(value, list) else [word.strip() for word in str(value).split(",")]
    for word in words:
        if word not in TERMINAL:
            raise UserError(
                f"{place}={word}: no outcome of a run{nearest(str(word), TERMINAL)}; there are: {', '.join(TERMINAL)}"
            )
    if not words or len(set(words)) == len(TERMINAL):
        raise UserError(f"{place}: every run would {'fail' if not words else 'train'}; give finished, or untrained too")
    return tuple(dict.fromkeys(words))
