"""Curves of Braille dots."""

from hypothesis import given
from hypothesis import strategies as st

from normfree.sweep.plots import plot


def test_a_line_that_falls() -> None:
    assert plot([(x, -x) for x in range(8)], 8, 4, 2) == ["⠑⢄⠀⠀", "⠀⠀⠑⢄"]


def test_nothing_is_drawn_of_what_is_to_come() -> None:
    (line,) = plot([(0, 0.0), (3, 1.0)], 8, 4, 1)
    assert line[2:] == "⠀⠀"
    assert line[:2] != "⠀⠀"


def test_one_value_and_none() -> None:
    assert plot([], 10, 2, 1) == ["⠀⠀"]
    assert plot([(0, 7.0), (10, 7.0)], 10, 2, 1) == ["⣀⣀"]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(-1e9, 1e9)), max_size=30).map(sorted),
    st.integers(1, 30),
    st.integers(1, 9),
)
def test_it_fits_and_spans_its_height(points: list[tuple[float, float]], width: int, height: int) -> None:
    lines = plot(points, 100, width, height)
    assert [len(line) for line in lines] == [width] * height
    assert all(0x2800 <= ord(each) < 0x2900 for line in lines for each in line)
    if len({y for _, y in points}) > 1:
        assert any(ord(each) & 0x09 for each in lines[0])
        assert any(ord(each) & 0xC0 for each in lines[-1])
