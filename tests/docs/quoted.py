"""Numbers of a page beside what the page links to as their source."""

import re
from collections.abc import Iterator
from pathlib import Path

_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?![\w]|[.,]\d)")
_APART = re.compile(r"\n\s*\n|\n(?=\||- |\d+\. )")
_SILENT = re.compile(
    r"```.*?```|`[^`\n]*`|https?://[^\s)]+|ResNet-\d+|\barXiv \S+|\b(?:decision )?\[?00\d\d\b", re.DOTALL
)
_OTHERS = re.compile(r"<!-- of no report: (.*?) -->")


def unquoted(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Paragraphs, bullets and rows that link to files of ``reports/``, each with those numbers of two and more digits
    that none of these files prints, also not with more digits.

    ``<!-- of no report: 5,000 24 -->`` names the numbers of a paragraph that come from elsewhere.
    """
    for paragraph in _APART.split(page.read_text(encoding="utf-8")):
        files = [(page.parent / link).resolve() for link in _LINK.findall(paragraph) if "reports/" in link]
        files = [file for file in files if file.suffix in (".md", ".csv") and file.is_file()]
        if not files:
            continue
        printed = {number for file in files for number in _numbers(file.read_text(encoding="utf-8"))}
        others = {number for one in _OTHERS.findall(paragraph) for number in _numbers(one)}
        words = _SILENT.sub(" ", _LINK.sub("]", re.sub(r"<!--.*?-->", "", paragraph, flags=re.DOTALL)))
        missing = [
            number
            for number in dict.fromkeys(_numbers(words))
            if sum(map(str.isdigit, number)) > 1 and number not in others and not _rounded(number, printed)
        ]
        yield paragraph, missing


def _numbers(text: str) -> list[str]:
    return [number.replace(",", "") for number in _NUMBER.findall(text)]


def _rounded(number: str, printed: set[str]) -> bool:
    """Whether it is printed, or is one of the printed numbers with fewer decimals."""
    if number in printed:
        return True
    decimals = len(number.partition(".")[2])
    return "e" not in number and any(f"{float(one):.{decimals}f}" == number for one in printed if "." in one)
