"""Somebody else's text in markdown and in CSV: shown as it is, never taken for markup or for a formula."""

from __future__ import annotations

import re

_MARKDOWN = re.compile(r"[\\`]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|!(?=\[)|\](?=[(\[:])")
_BY_NAME = {"<": "&lt;", "&": "&amp;"}
# The last four are what some programs take for the first four.
_BEGIN_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def markdown_text(text: str) -> str:
    """In one line, without HTML, code, links and images. Brackets of an interval and lone `<` stay as they are."""
    return _MARKDOWN.sub(lambda found: _BY_NAME.get(found[0], f"\\{found[0]}"), " ".join(str(text).split()))


def markdown_cell(text: str) -> str:
    """The same within a table."""
    return markdown_text(text).replace("|", "\\|")


def code_block(text: str) -> str:
    """A block of code that its text cannot end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.strip()}\n{fence}"


def csv_text(text: str) -> str:
    """With an apostrophe before what a spreadsheet would compute; a number stays one."""
    if not text.lstrip(" ").startswith(_BEGIN_A_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
