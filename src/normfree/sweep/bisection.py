"""Bisection between two ends: from what is known of some points to those to try next."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Ends(Enum):
    """Why there is no edge between the ends."""

    FAIL = "neither end trains"
    TRAIN = "the upper end trains"


@dataclass(frozen=True)
class Edge:
    """Where the points 0 to ``last`` stop to train, as far as is known.

    Attributes:
        trains: the highest point that trains.
        fails: the lowest above it that does not.
        wanted: points to try next; none where the edge is found or does not lie between the ends.
        ends: why it does not.
        between: points that fail between two that train.
    """

    trains: int | None = None
    fails: int | None = None
    wanted: tuple[int, ...] = ()
    ends: Ends | None = None
    between: tuple[int, ...] = ()

    @property
    def found(self) -> bool:
        """Whether nothing lies between the two points any more."""
        return not self.wanted and self.ends is None


def edge_of(known: Mapping[int, bool], last: int) -> Edge:
    """The edge, by the points of which it is known whether they train.

    Both ends come first, less one that a point between them answers for; then always the middle of what is open.
    Where what is known is not monotone, the edge is the highest of all.
    """
    trained = [point for point, trains in known.items() if trains]
    failed = [point for point, trains in known.items() if not trains]
    highest = max(trained, default=None)
    above = min((point for point in failed if highest is None or point > highest), default=None)
    between = tuple(sorted(point for point in failed if highest is not None and min(trained) < point < highest))
    wanted = [0] if highest is None and 0 not in known else []
    if (highest is None or above is None) and last not in known:
        wanted.append(last)
    if wanted:
        return Edge(highest, above, tuple(wanted), None, between)
    if highest is None:
        return Edge(None, above, (), Ends.FAIL, between)
    if above is None:
        return Edge(highest, None, (), Ends.TRAIN, between)
    middle = (above + highest) // 2
    return Edge(highest, above, (middle,) if middle > highest else (), None, between)


def most_tries(last: int) -> int:
    """Points that are tried at most: both ends, and one a halving."""
    return 2 + (last - 1).bit_length()
