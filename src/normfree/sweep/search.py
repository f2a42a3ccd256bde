"""A sweep that looks for edges: plans points from the results on disk, trains those that are missing, and plans anew.

Every run is an ordinary one of the experiment. A round trains one or two points of every scan that is open, side by
side; the same command goes on from what is there.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from normfree.config import Resolved, UserError
from normfree.config.sources.reading import looked_up_once
from normfree.host.wording import counted
from normfree.runs import TERMINAL, RunDirectory
from normfree.runs.damage import standing
from normfree.sweep.account import SweepEnd
from normfree.sweep.bisection import Edge, edge_of, most_tries
from normfree.sweep.planned import resolved_of
from normfree.sweep.search_account import edges_told, open_told
from normfree.sweep.searches import Scan
from normfree.sweep.sweep import run_sweep

Planned = list[tuple[list[str], list[str]]]


@dataclass
class _Open:
    """A scan with the directories of all its points.

    Attributes:
        stuck: points that were trained and have no result.
    """

    scan: Scan
    directories: list[RunDirectory]
    stuck: set[int] = field(default_factory=set)

    def look(self) -> tuple[Edge, list[int]]:
        """The edge by the results that there are, and the points that have one."""
        known = {}
        for point, directory in enumerate(self.directories):
            result = standing(directory)
            if result is not None and result["status"] in TERMINAL:
                known[point] = result["status"] in self.scan.search.trains
        return edge_of(known, self.scan.search.last), list(known)


@looked_up_once()
def run_search(
    planned: Planned,
    scans: Sequence[Scan],
    compose: Callable[[Sequence[str]], Any],
    workers: int | None = None,
    slurm: dict[str, Any] | None = None,
    grids: dict[str, str] | None = None,
) -> SweepEnd:
    """Train what the scans ask for until each knows its edge, and the other runs with the first round.

    Args:
        planned: the sweep's other runs; these and the rest as for `normfree.sweep.sweep.run_sweep`.

    Returns:
        Not complete where an edge was not found.

    Raises:
        UserError: if any run is wrong, before anything starts.
    """
    resolved = [[_resolved(scan.at(point), compose) for point in _points(scan)] for scan in scans]
    config = resolved[0][0].config
    searched = [
        _Open(scan, [RunDirectory.of(one) for one in points]) for scan, points in zip(scans, resolved, strict=True)
    ]
    for number in range(1, 2 + max(most_tries(scan.search.last) for scan in scans)):
        looks = [each.look() for each in searched]
        wanted = [
            [point for point in edge.wanted if point not in each.stuck]
            for each, (edge, _) in zip(searched, looks, strict=True)
        ]
        if not any(wanted) and number > 1:
            break
        if any(wanted):
            print(f"search, round {number}: {sum(map(len, wanted))} points of {sum(map(bool, wanted))} scans")
        points = [sorted({*known, *more}) for (_, known), more in zip(looks, wanted, strict=True)]
        chosen = [
            (scan.at(point), list(scan.grids)) for scan, some in zip(scans, points, strict=True) for point in some
        ]
        end = run_sweep([*planned, *chosen], compose, workers, slurm, grids)
        if config.plan:
            print(_most(scans, [points[0].steps for points in resolved]))
        elif config.sweep.detach:
            print("search: the same command plans the next round when these jobs have ended")
        if end.interrupted or config.plan or config.sweep.detach:
            return end
        for each, more in zip(searched, wanted, strict=True):
            known = each.look()[1]
            each.stuck |= {point for point in more if point not in known}
    return _concluded(searched, end)


def _concluded(searched: Iterable[_Open], end: SweepEnd) -> SweepEnd:
    """Print the edges, and what is open."""
    found = [(each.scan, each.look()[0]) for each in searched]
    print("\n".join(edges_told(found)), flush=True)
    lines = open_told(found)
    for line in lines:
        print(line, file=sys.stderr, flush=True)
    return SweepEnd(end.complete and all(edge.found for _, edge in found), end.interrupted)


def _most(scans: Sequence[Scan], steps: Sequence[int]) -> str:
    tries = [most_tries(scan.search.last) for scan in scans]
    most = sum(each * count for each, count in zip(tries, steps, strict=True))
    return (
        f"search: {len(scans)} scans of at most {counted(max(tries), 'run')}; the whole is at most "
        f"{counted(sum(tries), 'run')} with {most:,} optimizer steps, of which the first round is listed"
    )


def _points(scan: Scan) -> range:
    return range(scan.search.last + 1)


def _resolved(overrides: list[str], compose: Callable[[Sequence[str]], Any]) -> Resolved:
    resolved = resolved_of(overrides, compose)
    if resolved.config.again:
        raise UserError("again=true: a search goes on from the results that there are; leave it out")
    return resolved
