"""The navigation: sections in the order in which somebody new needs them, filled with what lies in docs/.

A page of ``docs/guide/`` is a guide, unless it says ``<!-- section: After training -->``. Any other new page needs a
line here; one that has none is an error of the build.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

_GUIDES = "Guides"
_SECTIONS: dict[str, Sequence[str]] = {
    "First hour": ("index.md", "tour.md"),
    _GUIDES: ("normalizers.md", "search.md", "scaling.md", "finetune.md"),
    "After training": ("using.md",),
    "Your own parts": ("extending.md", "api.md"),
    "Studies": (
        "studies.md", "reports/*/report.md", "reports/ledger.md", "reports/benchmarks/README.md",
        "reports/probes/*/*.md",
    ),
    "Reference": (
        "reference/keys.md", "experiments.md", "reference/outcomes.md", "reference/files.md", "reference/commands.md",
        "reference/python.md", "models.md", "reference/*.md",
    ),
    "Method": ("method.md", "pseudocode.md", "performance.md"),
    "Comparison": ("comparison.md",),
    "FAQ": ("faq.md",),
    "Decisions": ("decisions/README.md", "decisions/*.md"),
    "Changes": ("changelog.md", "contributing.md"),
}  # fmt: skip
_SECTION = re.compile(r"^<!-- section: (.+?) -->$", re.M)
_OTHER_TITLES = {"index.md": "normfree", "studies.md": "All studies", "decisions/README.md": "All decisions"}


def navigation(texts: dict[str, str]) -> list[Any]:
    """As MkDocs has it.

    Args:
        texts: the Markdown of every page, by its place.

    Raises:
        LookupError: a guide that says a section which is none.
    """
    left, sections = dict.fromkeys(sorted(texts)), dict[str, list[str]]()
    for place in [place for place in left if place.startswith("guide/")]:
        said = _SECTION.search(texts[place])
        section = said[1] if said else "First hour" if "first" in place else _GUIDES
        if section not in _SECTIONS:
            raise LookupError(f"docs/{place}: section: {section}: there are {', '.join(_SECTIONS)}")
        sections.setdefault(section, []).append(place)
        del left[place]
    for section, patterns in _SECTIONS.items():
        found = [place for pattern in patterns for place in _taken(left, pattern)]
        own = sections.get(section, [])
        # The front page comes before everything, and guides before older pages of their section.
        sections[section] = [*(place for place in found[:1] if place == "index.md"), *own]
        sections[section] += [place for place in found if place != "index.md"]
    return [{name: _entries(name, sections[name], texts)} for name in _SECTIONS if sections[name]]


def _taken(left: dict[str, None], pattern: str) -> list[str]:
    found = [place for place in left if PurePosixPath(place).match(pattern) and place.count("/") == pattern.count("/")]
    for place in found:
        del left[place]
    return found


def _entries(name: str, places: Iterable[str], texts: dict[str, str]) -> Any:
    entries: list[Any] = [{_title(place, texts[place]): place} for place in places]
    if name == "Studies":
        probes = [entry for entry in entries if "/probes/" in next(iter(entry.values()))]
        return [*(entry for entry in entries if entry not in probes), *([{"Probes": probes}] if probes else [])]
    if len(entries) == 1 and name in ("Comparison", "FAQ"):
        return next(iter(entries[0].values()))
    return entries


def _title(place: str, text: str) -> str:
    if place in _OTHER_TITLES:
        return _OTHER_TITLES[place]
    found = re.search(r"^# (.+)$", text, re.M)
    title = found[1].replace("`", "") if found else Path(place).stem
    return title.removeprefix("Decision ") if place.startswith("decisions/") else title
