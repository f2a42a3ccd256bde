"""``metrics.csv`` and ``clip.csv`` read line by line: whether every row is whole, however long the file."""

import re
from pathlib import Path

from normfree.runs.reading import LARGEST, Damaged, check_bytes, opened, read_text, shortened

_NUMBERS = b"0123456789+-.eE,naif\r\n"
"""All that a row of numbers, blanks, nan and inf is made of."""
_LONGEST_LINE = 65_536
_PLAIN = r"(?:-?\d{1,300}(?:\.\d*)?(?:e[+-]?\d{1,9})?)?"
"""A number as most are written, or a blank; others are looked at more closely."""
_ROW = re.compile(rf"{_PLAIN}(?:,{_PLAIN})*\r?\n".encode())
_CLIP_ROW = re.compile(
    rf"-?\d{{1,15}},-?\d{{1,15}},[!-+\--~]*,[!-+\--~]*,\d{{1,15}},\d{{1,15}}(?:,{_PLAIN})*", re.ASCII
)


def check_metrics(path: Path, whole: bool) -> None:
    """Whether every row of ``metrics.csv`` has a number or a blank for each column, and steps go up.

    Args:
        whole: the run has ended, so that the last row must be there to its end; a process that was killed, or a power
            cut, may have left part of a row or zeros.

    Raises:
        FileNotFoundError: there is none.
        Damaged: names the line.
    """
    if whole:
        check_bytes(path)
    with opened(path) as file:
        head = file.readline(_LONGEST_LINE)
        if not head.endswith(b"\n"):
            if not whole and not head.strip(b"\0"):
                return
            raise Damaged(path, "has no line with the names of its columns" if head else "is empty")
        try:
            columns = head.decode("utf-8").rstrip("\r\n").split(",")
        except UnicodeDecodeError as error:
            raise Damaged(path, "is no text: its first line") from error
        if "step" not in columns or len(set(columns)) < len(columns) or not all(map(str.isprintable, columns)):
            raise Damaged(path, f"line 1 names no columns of a run: {shortened(head.decode('utf-8'))}")
        place, commas, last, number = columns.index("step"), len(columns) - 1, 0, 1
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if not line.endswith(b"\n") and not whole:
                return
            if line.translate(None, _NUMBERS) or line.count(b",") != commas or not line.endswith(b"\n"):
                raise Damaged(path, f"line {number} is no row of {commas + 1} numbers")
            step = line.split(b",", place + 1)[place].strip()
            if not step.isdigit() or len(step) > 15 or int(step) < last:
                raise Damaged(path, f"line {number}: step {shortened(step.decode())} does not follow step {last}")
            last = int(step)
            if not _ROW.fullmatch(line):
                _check_numbers(path, number, line)


def _check_numbers(path: Path, number: int, line: bytes) -> None:
    try:
        for value in line.rstrip().split(b","):
            if value:
                float(value)
    except ValueError as error:
        raise Damaged(path, f"line {number}: {shortened(value.decode())} is no number") from error


def last_step(path: Path) -> int:
    """The step of the last whole row, 0 where there is none; reads the ends of the file alone.

    Raises:
        FileNotFoundError: there is none.
        Damaged: it cannot be read.
    """
    with opened(path) as file:
        columns = file.readline(_LONGEST_LINE).rstrip().split(b",")
        if b"step" not in columns:
            return 0
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_LINE))
        lines = file.read(_LONGEST_LINE).split(b"\n")[:-1]
    for line in reversed(lines):
        values = line.split(b",")
        if len(values) == len(columns) and (step := values[columns.index(b"step")]).isdigit():
            return int(step)
    return 0


def check_clip_record(path: Path, whole: bool) -> None:
    """The same of ``clip.csv``, whose rows name layers.

    Raises:
        FileNotFoundError: there is none.
        Damaged: names the line.
    """
    from normfree.runs.clip_record import COLUMNS as CLIP_COLUMNS  # brings numpy

    text = read_text(path, 16 * LARGEST).rstrip("\0") if not whole else read_text(path, 16 * LARGEST)
    lines = text.split("\n")
    if lines.pop() and whole:
        raise Damaged(path, "its last line is cut")
    if not lines:
        return
    if tuple(lines[0].split(",")) != CLIP_COLUMNS:
        raise Damaged(path, "line 1 does not name the columns")
    words = {CLIP_COLUMNS.index("stage"), CLIP_COLUMNS.index("layer")}
    whole_numbers = [CLIP_COLUMNS.index(name) for name in ("step", "depth", "units", "clipped")]
    for number, line in enumerate(lines[1:], 2):
        if _CLIP_ROW.fullmatch(line) and line.count(",") == len(CLIP_COLUMNS) - 1:
            continue
        values = line.split(",")
        try:
            if len(values) != len(CLIP_COLUMNS) or not line.isprintable():
                raise ValueError(f"is no row of {len(CLIP_COLUMNS)} values")
            if any(abs(int(values[place])) >= 10**15 for place in whole_numbers):
                raise ValueError("a whole number is too large")
            for place, value in enumerate(values):
                if value and place not in words:
                    float(value)
        except ValueError as error:
            raise Damaged(path, f"line {number}: {error}") from error
