"""Which file of the repository is at which place of the site: decided here, and nowhere else.

Pages of ``docs/`` keep their place below it, reports theirs below ``reports/``. Any other file that a page links to,
code or configuration, becomes a page that shows it; a folder has no page, and a link to one becomes its name.
"""

from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
STUDIES = "reports/README.md"
"""In its place stands the gallery of studies."""
_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "source/LICENSE.md",
    STUDIES: "studies.md",
    "reports": "studies.md",
    "docs": "index.md",
    "docs/decisions": "decisions/README.md",
}
_OF_REPORTS = {".md", ".csv", ".png", ".svg", ".pdf", ".gz", ".html"}


def place_of(path: str) -> str | None:
    """The place in the site of a file of the repository; none for folders, which have no page.

    Args:
        path: from the root, with slashes.
    """
    if path in _PAGES:
        return _PAGES[path]
    if path.startswith(DOCS):
        return path.removeprefix(DOCS).removesuffix(".ipynb") + (".md" if path.endswith(".ipynb") else "")
    if (ROOT / path).is_dir():
        return None
    if path.startswith("reports/") and PurePosixPath(path).suffix in _OF_REPORTS:
        return path
    return f"source/{path}.md"


def pages() -> list[str]:
    """Every file of the repository that is a page of the site, from the root."""
    docs = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
    reports = [*(ROOT / "reports").rglob("*.md")]
    found = [path.relative_to(ROOT).as_posix() for path in sorted(docs + reports)]
    return ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *found]
