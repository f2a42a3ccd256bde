"""What must hold for the pages that were built."""

import re
from collections.abc import Iterator
from pathlib import Path

_FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video)\b[^>]*\ssrc=[\"']?(?P<src>(?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?=[^>]*\srel=[\"']?(?:stylesheet|preconnect|icon|preload))[^>]*\shref=[\"']?(?P<href>(?:https?:)?//[^\"'\s>]+)"
)
_IN_STYLE = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)")


def fetched(site: Path) -> Iterator[str]:
    """What a page or a style of the site would have a reader's browser fetch from elsewhere."""
    for path in sorted(site.rglob("*.html")):
        for found in _FETCHED.finditer(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {found['src'] or found['href']}"
    for path in sorted(site.rglob("*.css")):
        for found in _IN_STYLE.finditer(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {found[1]}"
