"""The blocks of a page: its fences of bash and Python, with what the comments before them say of running them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

RUN = ("bash", "python")
"""Languages of blocks that are run."""
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.M | re.S)
_COMMENT = re.compile(r"<!-- *(not run|run with|shows|fails): *(.*?) *-->", re.S)
_BEFORE = re.compile(r"(?:^ *<!--(?:(?!-->).)*--> *\n\n?)+\Z", re.M | re.S)
_FILE = re.compile(r"^ *`([\w./-]+)`:? *\n\n?\Z", re.M)


@dataclass(frozen=True)
class Block:
    """A fence that is run, or a file that the page writes.

    Attributes:
        line: of the page, from 1.
        file: what it is to be written to; such a block is not run.
        reason: why it is not run.
        words: in the place of the words that shorten its commands by default.
        shows: what it has to print, one after another.
        fails: what the error says that its last command has to end with.
    """

    language: str
    text: str
    line: int
    file: str | None = None
    reason: str | None = None
    words: list[str] | None = None
    shows: list[str] = field(default_factory=list)
    fails: str | None = None

    @property
    def is_run(self) -> bool:
        return self.file is None and self.reason is None


class BadPage(Exception):
    """A comment that says nothing that can be followed."""


def blocks(page: str) -> list[Block]:
    """All of a page, in its order.

    Raises:
        BadPage: a comment that is not understood, stands before no fence, or gives no reason.
    """
    found, said = [], 0
    for fence in _FENCE.finditer(page):
        before = page[: fence.start()]
        comments = _BEFORE.search(before)
        told = _COMMENT.findall(comments[0]) if comments else []
        said += len(told)
        name = _FILE.search(before[: comments.start()] if comments else before)
        line = before.count("\n") + 1
        if fence["language"] in RUN or name:
            text = re.sub(rf"^{fence['indent']}", "", fence["text"], flags=re.M)
            found.append(_block(fence["language"], text, line, name[1] if name else None, told))
        elif fence["language"] in ("sh", "shell", "console", "py", "python3", "pycon"):
            raise BadPage(f"line {line}: {fence['language']}: write bash or python, which are run")
        elif told:
            raise BadPage(
                f"line {line}: blocks of {fence['language'] or 'no language'} are not run: leave the comment out"
            )
    if said != len(_COMMENT.findall(_FENCE.sub("", page))):
        raise BadPage("a comment such as <!-- run with: ... --> stands before no block")
    return found


def _block(language: str, text: str, line: int, name: str | None, told: list[tuple[str, str]]) -> Block:
    kinds = dict(told)
    if kinds.get("not run") == "":
        raise BadPage(f"line {line}: <!-- not run: --> gives no reason")
    words = shlex.split(kinds["run with"]) if "run with" in kinds else None
    shows = [what for kind, what in told if kind == "shows"]
    return Block(language, text, line, name, kinds.get("not run"), words, shows, kinds.get("fails"))


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a bash block."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            if found := re.search(r"(?<!\S)(\||\|\||&&|&|;|>|>>|<|for|if)(?!\S)|\$\(|`", line):
                raise BadPage(
                    f"{line}: {found[0]} is not run here; give the commands one a line, or say <!-- not run: why -->"
                )
            yield words
