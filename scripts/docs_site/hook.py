"""What MkDocs is told beside mkdocs.yml: the pages that do not lie in docs/, links between them, and the navigation."""

from typing import Any

import notebook
import sources
import studies
from checks import fetched
from links import placed, targets
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from navigation import navigation
from places import DOCS, ROOT, STUDIES, pages, place_of

_ORIGINS: dict[str, str] = {}
"""Of a place, the file of the repository."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and what they link to, and set the navigation."""
    texts, linked = dict[str, str](), set[str]()
    for path in pages():
        place = place_of(path)
        assert place is not None
        _ORIGINS[place] = path
        texts[place] = _text(path, place, files, config)
        linked |= targets(texts[place], path)
    for path in sorted(linked):
        there = place_of(path)
        if there is None or there in texts or files.get_file_from_path(there) or not (ROOT / path).is_file():
            continue
        if there.startswith("source/"):
            _put(files, File.generated(config, there, content=sources.page(path)))
        else:
            _put(files, File.generated(config, there, abs_src_path=str(ROOT / path)))
    try:
        config.nav = navigation(texts)
    except LookupError as error:
        raise PluginError(str(error)) from error
    return files


def _text(path: str, place: str, files: Files, config: MkDocsConfig) -> str:
    """The Markdown of a page, which is put among the files unless it lies there."""
    if path == STUDIES:
        text = studies.page()
    elif path.endswith(".ipynb"):
        text = notebook.page(ROOT / path)
    else:
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.startswith(DOCS):
            return text
    _put(files, File.generated(config, place, content=text))
    return text


def _put(files: Files, file: File) -> None:
    if there := files.get_file_from_path(file.src_uri):
        files.remove(there)
    files.append(file)


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links lead to places of the site."""
    place = page.file.src_uri
    if place not in _ORIGINS:
        return markdown
    try:
        return placed(markdown, _ORIGINS[place], place)
    except LookupError as error:
        raise PluginError(str(error)) from error


def on_post_build(config: MkDocsConfig) -> None:
    """A site that would fetch anything from elsewhere is refused."""
    from pathlib import Path

    if found := list(fetched(Path(config.site_dir))):
        raise PluginError("fetched from elsewhere: " + "; ".join(found[:5]))
