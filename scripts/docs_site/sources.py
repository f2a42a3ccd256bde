"""Pages that show a file of code or configuration which some page links to."""

from pathlib import PurePosixPath

from places import ROOT

_LANGUAGES = {
    ".py": "python",
    ".yaml": "yaml",
    ".sh": "bash",
    ".toml": "toml",
    ".c": "c",
    ".json": "json",
    ".cff": "yaml",
}


def page(path: str) -> str:
    """Markdown of the page of a file, which is found by its links and by no search."""
    text = (ROOT / path).read_text(encoding="utf-8").rstrip("\n")
    language = _LANGUAGES.get(PurePosixPath(path).suffix, "text")
    return f"---\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# `{path}`\n\n````{language}\n{text}\n````\n"
