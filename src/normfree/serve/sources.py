"""What a ``source=`` is: image files, a video, a camera of this machine or of a browser."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from normfree.config import UserError
from normfree.config.sources.folder_listing import EXTENSIONS
from normfree.host.files import printable
from normfree.serve.keys import BROWSER, WEBCAM

VIDEOS = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mjpeg", ".mjpg", ".y4m", ".mpg", ".mpeg", ".ts", ".wmv", ".flv",
    ".3gp", ".ogv",
)  # fmt: skip
_GIVE = "give an image, a folder, a 'glob' of them, a video, webcam or browser"


@dataclass(frozen=True)
class Images:
    """Files, one or several.

    Attributes:
        root: what their names are told relative to.
        single: one file was named.
    """

    paths: tuple[Path, ...]
    root: Path
    single: bool = False

    def name(self, path: Path) -> str:
        return printable(path.name if self.single else os.path.relpath(path, self.root))


@dataclass(frozen=True)
class Video:
    """A video file."""

    path: Path


@dataclass(frozen=True)
class Webcam:
    """A camera of this machine."""

    number: int


@dataclass(frozen=True)
class Browser:
    """A page for the cameras of browsers."""


def source_of(text: str) -> Images | Video | Webcam | Browser:
    """What was meant.

    Raises:
        UserError: nothing is there, or nothing that could be meant.
    """
    if not text:
        raise UserError(f"source=: {_GIVE}")
    if text == BROWSER:
        return Browser()
    if camera := re.fullmatch(rf"{WEBCAM}(?::(\d{{1,3}}))?", text):
        return Webcam(int(camera[1] or 0))
    path = Path(text).expanduser()
    if text.startswith(f"{WEBCAM}:") and not path.exists():
        raise UserError(f"source={text}: give {WEBCAM}, or {WEBCAM}:1 for the second camera")
    if path.is_dir():
        return _listed(text, path, (file for file in path.rglob("*")))
    if path.is_file():
        return Video(path) if path.suffix.lower() in VIDEOS else Images((path,), path.parent, single=True)
    if path.exists():
        raise UserError(f"source={text}: is no regular file; {_GIVE}")
    if glob.has_magic(text):
        found = glob.glob(str(path), recursive=True)
        return _listed(text, Path(os.path.commonpath([Path(each).parent for each in found]) if found else "."), found)
    raise UserError(f"source={text}: there is no such file or folder; {_GIVE}")


def _listed(text: str, root: Path, paths: object) -> Images:
    """Images in the order of their names; hidden files and those of other suffixes are left out."""
    found = sorted(
        path
        for path in map(Path, paths)  # type: ignore[call-overload]
        if path.suffix.lower() in EXTENSIONS
        and not path.name.startswith(".")
        and (path.is_file() or path.is_symlink())  # one that leads nowhere is a row that says so
    )
    if not found:
        raise UserError(f"source={text}: no image there; {_GIVE}")
    return Images(tuple(found), root)
