"""Curves in characters: lines of Braille dots, two by four to a character."""

from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of a dot, by row and column within its character."""
_BLANK = 0x2800


def plot(points: Sequence[tuple[float, float]], until: float, width: int, height: int) -> list[str]:
    """A curve as lines of text, the highest values at the top.

    Args:
        points: x, which begins at 0, and y; finite.
        until: the x at the right edge.
        width, height: characters.
    """
    columns, rows = 2 * width, 4 * height
    dots = [[0] * width for _ in range(height)]
    low, high = bounds(points)
    reach: dict[int, list[int]] = {}
    for x, y in points:
        column = min(columns - 1, int(x / until * columns)) if until > 0 else 0
        level = round((y - low) / (high - low) * (rows - 1)) if high > low else 0
        reach.setdefault(column, []).append(level)
    before: tuple[int, int] | None = None
    for column, levels in sorted(reach.items()):
        for level in range(min(levels), max(levels) + 1):
            _set(dots, column, rows - 1 - level)
        if before is not None:
            for between, level in _line(before, (column, levels[0])):
                _set(dots, between, rows - 1 - level)
        before = column, levels[-1]
    return ["".join(chr(_BLANK + bits) for bits in line) for line in dots]


def bounds(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The lowest and the highest value; zeros without any."""
    values = [y for _, y in points] or [0.0]
    return min(values), max(values)


def _line(begin: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    """What lies between two dots."""
    wide, high = end[0] - begin[0], end[1] - begin[1]
    count = max(wide, abs(high))
    return [(begin[0] + round(wide * i / count), begin[1] + round(high * i / count)) for i in range(1, count)]


def _set(dots: list[list[int]], column: int, row: int) -> None:
    dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
