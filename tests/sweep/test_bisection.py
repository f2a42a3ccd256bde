"""Finding an edge: every place of it, from nothing, with what is there already, and where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normfree.sweep.bisection import Edge, Ends, edge_of, most_tries


def searched(edge: int, last: int, known: dict[int, bool] | None = None) -> tuple[Edge, int]:
    """The edge found where points up to ``edge`` train, and the points that were tried for it."""
    known, tries = dict(known or {}), 0
    while (found := edge_of(known, last)).wanted:
        tries += len(found.wanted)
        known |= {point: point <= edge for point in found.wanted}
    return found, tries


@given(st.data())
def test_every_edge_is_found_with_few_tries(data: st.DataObject) -> None:
    last = data.draw(st.integers(1, 200))
    edge = data.draw(st.integers(0, last - 1))
    some = data.draw(st.sets(st.integers(0, last)))
    for known in ({}, {point: point <= edge for point in some}):
        found, tries = searched(edge, last, known)
        assert (found.trains, found.fails, found.ends) == (edge, edge + 1, None)
        assert found.found
        assert tries <= most_tries(last)


def test_the_ends_are_tried_first_and_together() -> None:
    assert edge_of({}, 16).wanted == (0, 16)
    assert edge_of({0: True}, 16).wanted == (16,)
    assert edge_of({0: True, 16: False}, 16).wanted == (8,)


@pytest.mark.parametrize(("edge", "ends"), [(-1, Ends.FAIL), (16, Ends.TRAIN)])
def test_no_edge_between_the_ends_is_told_after_both(edge: int, ends: Ends) -> None:
    found, tries = searched(edge, 16)
    assert found.ends is ends
    assert not found.found
    assert tries == 2


def test_what_is_not_in_one_order_has_its_edge_at_the_highest_that_trains() -> None:
    found = edge_of({0: True, 2: False, 4: True, 5: False}, 8)
    assert (found.trains, found.fails, found.between) == (4, 5, (2,))
    assert edge_of({0: False, 2: True, 3: False, 8: False}, 8).between == ()


def test_a_point_that_trains_answers_for_the_lower_end() -> None:
    assert edge_of({4: True, 5: False}, 8).found
