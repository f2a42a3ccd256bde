"""The account of a search in the terminal: where each arm stops to train over its seeds, and what was not found."""

from collections.abc import Iterable, Sequence
from statistics import median

from normfree.config.names import key_of
from normfree.sweep.bisection import Edge, Ends
from normfree.sweep.searches import Scan, Search

_WIDER = 4
"""Octaves by which a range is to be wider at the end where no edge was found."""

Found = Sequence[tuple[Scan, Edge]]


def edges_told(found: Found) -> list[str]:
    """A line an arm: the median of its seeds' edges, and their range."""
    lines = []
    for search, arms in _arms(found).items():
        width = max(map(len, arms))
        step = f"{2**search.resolution:.3g}"
        lines.append(f"highest {search.key} at which a run is {' or '.join(search.trains)}, to a factor of {step}:")
        for arm, scans in arms.items():
            points = sorted(edge.trains for _, edge in scans if edge.found and edge.trains is not None)
            told = "not found"
            if points:
                middle, low, high = (
                    f"{float(search.value(one)):.4g}" for one in (median(points), points[0], points[-1])
                )
                told = f"{middle:>8}  ({low} to {high}, n = {len(points)})"
            if points and len(points) < len(scans):
                told += f", {len(scans) - len(points)} not found"
            lines.append(f"  {arm:{width}}  {told}")
    return lines


def open_told(found: Found) -> list[str]:
    """A line for each arm and reason: seeds without an edge, and those whose results are not in one order."""
    lines = []
    for search, arms in _arms(found).items():
        for arm, scans in arms.items():
            for why in dict.fromkeys(_why(search, edge) for _, edge in scans):
                of = [seed for seed, edge in scans if _why(search, edge) == why]
                seeds = f" seed={','.join(of)}" if all(of) else ""
                if why:
                    lines.append(f"search.{search.key}: {arm}{seeds}: {why}")
    return lines


def _why(search: Search, edge: Edge) -> str:
    ends = f"{search.key} from {search.value(0)} to {search.value(search.last)}"
    if edge.ends is Ends.TRAIN:
        return f"still trains at the upper end of {ends}; give to: {search.value(search.last + _more(search))}"
    if edge.ends is Ends.FAIL:
        return f"trains at neither end of {ends}; give from: {search.value(-_more(search))}, or a value that trains"
    if edge.wanted:
        values = ", ".join(search.value(point) for point in edge.wanted)
        return f"no result at {search.key}={values}; the same command tries it again"
    if edge.between and edge.trains is not None:
        values = ", ".join(search.value(point) for point in edge.between)
        return f"fails at {search.key}={values} and trains again up to {search.value(edge.trains)}, which is told"
    return ""


def _more(search: Search) -> int:
    """Points of the wider range: so many that it stays a multiple of the resolution."""
    return max(1, round(_WIDER / search.resolution))


def _arms(found: Iterable[tuple[Scan, Edge]]) -> dict[Search, dict[str, list[tuple[str, Edge]]]]:
    """Search -> arm, by the overrides in which scans differ -> seeds with their edges."""
    found = list(found)
    every = [set(scan.overrides) for scan, _ in found]
    common = set.intersection(*every) if len(every) > 1 else set()
    arms: dict[Search, dict[str, list[tuple[str, Edge]]]] = {}
    for scan, edge in found:
        words = [word for word in scan.overrides if word not in common and key_of(word) != "seed"]
        seed = next((word.partition("=")[2] for word in scan.overrides if key_of(word) == "seed"), "")
        arms.setdefault(scan.search, {}).setdefault(" ".join(words) or "all", []).append((seed, edge))
    return arms
