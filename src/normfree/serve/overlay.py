"""Bars of the most probable classes, drawn into a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from normfree.serve.labels import Top

GROUND, TRACK, INK = (12, 14, 18, 190), (255, 255, 255, 48), (255, 255, 255, 255)
COLOURS = ((127, 178, 255, 255), (255, 171, 102, 255))
"""Of a first and a second network, on a dark ground."""
_SMALL = 64
_LEAST, _MOST = 9, 32
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
    panel = Image.new("RGBA", picture.size)
    draw, font = ImageDraw.Draw(panel), _font(letters)
    gap, row = letters // 2, round(1.7 * letters)
    named = len(tops) > 1
    columns = min((width - gap) // len(tops), 16 * letters)
    for number, (name, top) in enumerate(tops):
        rows = len(top) + named
        left, upper = gap + number * columns, height - gap - rows * row - gap
        right = left + columns - gap
        draw.rounded_rectangle((left, upper, right, height - gap), gap, fill=GROUND)
        lines = [(name, None), *top] if named else top
        for place, (text, share) in enumerate(lines):
            line = upper + gap // 2 + place * row
            inner = (left + gap, right - gap)
            if share is None:
                draw.text((inner[0], line), _fitted(text, font, inner[1] - inner[0]), COLOURS[number], font)
                continue
            percent = f"{100 * share:.0f} %"
            room = inner[1] - inner[0] - font.getlength(percent) - gap
            draw.text((inner[0], line), _fitted(text, font, room), INK, font)
            draw.text((inner[1] - font.getlength(percent), line), percent, INK, font)
            lower = line + row - max(2, letters // 5)
            end = inner[0] + round(share * (inner[1] - inner[0]))
            draw.rectangle((inner[0], lower, inner[1], lower + max(1, letters // 8)), fill=TRACK)
            draw.rectangle((inner[0], lower, max(end, inner[0]), lower + max(1, letters // 8)), fill=COLOURS[number])
    return Image.alpha_composite(picture.convert("RGBA"), panel).convert("RGB")


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
