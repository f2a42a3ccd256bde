"""Bars of the most probable classes, drawn into a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from normfree.serve.labels import Top

GROUND, TRACK, INK = (12, 14, 18, 200), (78, 83, 94, 255), (255, 255, 255, 255)
COLOURS = ((127, 178, 255, 255), (255, 171, 102, 255))
"""Of a first and a second network, on a dark ground."""
_SMALL = 64
_LEAST, _MOST = 9, 28
"""Pixels of letters."""


def with_bars(picture: Image.Image, tops: Sequence[tuple[str, Top]]) -> Image.Image:
    """The picture (``RGB``) with a panel for each network at its lower edge; as it is where letters have no room.

    Args:
        tops: a name, shown where there are several, and the most probable classes.
    """
    width, height = picture.size
    if min(width, height) < _SMALL:
        return picture
    letters = min(_MOST, max(_LEAST, height // 24), max(_LEAST, height // (2 * (len(tops[0][1]) + 1))))
    font, gap, row = _font(letters), letters // 2, round(1.7 * letters)
    named = len(tops) > 1
    columns = min((width - gap) // len(tops), 16 * letters)
    least = max(0, height - 2 * gap - (max(len(top) for _, top in tops) + named) * row)
    panel = Image.new("RGBA", (width, height - least))
    draw = ImageDraw.Draw(panel)
    for number, (name, top) in enumerate(tops):
        lines: list[tuple[str, float | None]] = [(name, None)] if named else []
        lines += top
        left, lower = gap + number * columns, panel.height - gap
        right, upper = left + columns - gap, lower - gap - len(lines) * row
        draw.rounded_rectangle((left, upper, right, lower), gap, fill=GROUND)
        for place, (text, share) in enumerate(lines):
            _line(draw, font, (left + gap, right - gap), upper + gap // 2 + place * row, text, share, COLOURS[number])
    corner = (0, least)
    mixed = Image.alpha_composite(picture.crop((*corner, width, height)).convert("RGBA"), panel)
    whole = picture.copy()
    whole.paste(mixed.convert("RGB"), corner)
    return whole


def _line(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    between: tuple[int, int],
    upper: int,
    text: str,
    share: float | None,
    colour: tuple[int, int, int, int],
) -> None:
    """A class with its bar, or without a share the name of a network."""
    left, right = between
    if share is None:
        draw.text((left, upper), _fitted(text, font, right - left), colour, font)
        return
    percent = f"{100 * share:.0f} %"
    length = font.getlength(percent)
    draw.text((left, upper), _fitted(text, font, right - left - length - font.size / 2), INK, font)
    draw.text((right - length, upper), percent, INK, font)
    lower, thick = upper + round(1.7 * font.size) - max(2, round(font.size / 5)), max(1, round(font.size / 8))
    draw.rectangle((left, lower, right, lower + thick), fill=TRACK)
    draw.rectangle((left, lower, left + round(share * (right - left)), lower + thick), fill=colour)


def _fitted(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1]
    return f"{text}…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """matplotlib's DejaVu Sans, which has most alphabets."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)
