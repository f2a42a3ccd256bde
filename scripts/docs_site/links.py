"""Links between files of the repository, as links between places of the site."""

import posixpath
import re
from collections.abc import Callable

from places import ROOT, place_of

_CODE = re.compile(
    r"(^(?P<indent> *)(?P<fence>```+|~~~+)[^\n]*\n.*?^(?P=indent)(?P=fence)[ ]*$|(?<!`)`[^`\n]+`(?!`))", re.M | re.S
)
_LINK = re.compile(r"(?P<text>!?\[(?:[^\[\]]|\[[^\[\]]*\]|\0\d+\0)*\])\((?P<target>[^()\s]+)\)", re.S)
_IMAGE = re.compile(r"(?P<before><img [^>]*src=)(?P<quote>['\"])(?P<target>[^'\"]+)(?P=quote)")


def targets(markdown: str, path: str) -> set[str]:
    """The files and folders of the repository that a file of it links to."""
    found = set[str]()

    def keep(target: str) -> str:
        found.add(target)
        return target

    _each(markdown, path, lambda target, anchor: keep(target) + anchor, lambda text: text)
    return found


def placed(markdown: str, path: str, place: str) -> str:
    """The text of a file of the repository with its links as they are at its place of the site.

    Args:
        path: of the file, from the root.
        place: of its page.

    Raises:
        LookupError: a link to what is not there.
    """

    def link(target: str, anchor: str) -> str | None:
        if not (ROOT / target).exists():
            raise LookupError(f"{path}: a link to {target}, which is not there")
        there = place_of(target)
        return None if there is None else posixpath.relpath(there, posixpath.dirname(place) or ".") + anchor

    return _each(markdown, path, link, lambda text: text.strip("[]"))


def _each(markdown: str, path: str, link: Callable[[str, str], str | None], unlinked: Callable[[str], str]) -> str:
    """The text with every relative link replaced; a link of which there is none becomes its text."""
    kept: list[str] = []

    def hidden(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\0{len(kept) - 1}\0"

    def moved(target: str) -> str | None:
        name, hash_, anchor = target.partition("#")
        return link(posixpath.normpath(posixpath.join(posixpath.dirname(path), name)), hash_ + anchor)

    def of_link(found: re.Match[str]) -> str:
        # A picture in a link has a target of its own.
        text = _LINK.sub(of_link, found["text"][1:-1]) if found["text"].startswith("[!") else found["text"][1:-1]
        text = f"[{text}]" if found["text"][0] == "[" else f"![{found['text'][2:-1]}]"
        if _elsewhere(found["target"]):
            return f"{text}({found['target']})"
        target = moved(found["target"])
        return f"{text}({target})" if target is not None else unlinked(text)

    def of_image(found: re.Match[str]) -> str:
        target = found["target"] if _elsewhere(found["target"]) else moved(found["target"])
        return f"{found['before']}{found['quote']}{target}{found['quote']}"

    text = _IMAGE.sub(of_image, _LINK.sub(of_link, _CODE.sub(hidden, markdown)))
    while "\0" in text:
        text = re.sub(r"\0(\d+)\0", lambda found: kept[int(found[1])], text)
    return text


def _elsewhere(target: str) -> bool:
    return "://" in target or target.startswith(("#", "mailto:", "data:"))
