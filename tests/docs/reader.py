"""Who reads a page and does what it says, block by block, in one folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests import warm
from tests.conftest import ROOT, command_line
from tests.docs.blocks import BadPage, Block, blocks, commands
from tests.docs.placeholders import filled
from tests.docs.session import MARK
from tests.docs.shortened import added, committed, with_words

SESSION = ROOT / "tests" / "docs" / "session.py"
STORED = ROOT / "tests" / "report" / "fixtures"
PLAIN = ("ls", "cat", "head", "cp", "mkdir")
"""Programs that are run as they are."""


class Reader:
    """Reads one page; a context, at whose end its interpreter is gone.

    Args:
        place: an empty folder, in which everything happens.
    """

    def __init__(self, page: Path, place: Path) -> None:
        self.page, self.place, self.here = page, place, place
        self._python: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def reads(self) -> None:
        """Everything is done, and is as the page says.

        Raises:
            AssertionError: it is not; names the page and the line.
        """
        for block in blocks(self.page.read_text(encoding="utf-8")):
            if block.file is not None:
                path = self.here / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.reason is None:
                self._checked(block)

    def _checked(self, block: Block) -> None:
        where = f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page}:{block.line}"
        said, code = "", 0
        performed = self._performed(block, where)
        for number, (name, perform) in enumerate(performed, 1):
            answer = perform()
            said, code = f"{said}{answer.stdout}{answer.stderr}", answer.returncode
            last = number == len(performed)
            wanted = block.fails is not None and last
            assert (code != 0) == wanted, f"{where}: {name}: exit code {code}\n{said}"
        for text in [*block.shows, *filter(None, [block.fails])]:
            assert _shown(text, _plain(said)), f"{where}: not shown: {text}\n{said}"

    def _performed(self, block: Block, where: str) -> list[tuple[str, Callable[[], Any]]]:
        if block.language == "python":
            return [("python", lambda: self._in_session(block.text))]
        try:
            each = [(words, self._command(words, block.words)) for words in commands(block.text)]
        except BadPage as error:
            raise AssertionError(f"{where}: {error}") from error
        return [(" ".join(words), perform) for words, perform in each]

    def _in_session(self, text: str) -> subprocess.CompletedProcess[str]:
        text = " ".join(filled([text], self.place))
        if self._python is None:
            pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
            started = warm.Popen([sys.executable, str(SESSION)], cwd=self.here, env=dict(os.environ), **pipe)
            self._python = self._stack.enter_context(started)
            self._stack.callback(self._python.stdin.close)
        self._python.stdin.write(f"{json.dumps(text)}\n")
        self._python.stdin.flush()
        said = ""
        for line in self._python.stdout:
            if line.startswith(MARK):
                return subprocess.CompletedProcess([], int(line.strip() != MARK), said, "")
            said += line
        return subprocess.CompletedProcess([], 1, said, "the interpreter has ended")

    def _command(self, words: list[str], more: list[str] | None) -> Callable[[], Any]:
        variables = {}
        while words and re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words[0].partition("=")
            variables[name], words = value, words[1:]
        program, *rest = words
        name = Path(rest[0]).stem if program == "python" and rest else ""
        if program == "normfree" and rest and rest[0] in warm.COMMANDS:
            return lambda: self._normfree(rest[0], rest[1:], more, variables)
        if program == "python" and name in warm.COMMANDS and rest[0] == f"{name}.py":
            return lambda: self._normfree(name, rest[1:], more, variables)
        if program == "normfree":
            program, rest = "python", ["-m", "normfree", *rest]
        if program == "python":
            return lambda: self._started([sys.executable, *filled([*rest, *(more or [])], self.place)], variables)
        if program == "make":
            return lambda: self._started(["make", "--dry-run", "--directory", str(ROOT), *rest], variables)
        if program == "source":
            return lambda: self._environment(rest)
        if program == "cd":
            return lambda: self._moved(rest)
        if program in PLAIN:
            return lambda: self._started([program, *filled(rest, self.place)], variables)
        raise BadPage(f"{program}: a program that is not run here; say <!-- not run: why --> before the block")

    def _normfree(self, name: str, words: list[str], more: list[str] | None, variables: dict[str, str]) -> Any:
        words = with_words(words, added(name, words) if more is None else more)
        of = committed(words)
        if name in ("report", "runs") and of and not (self.here / "runs" / of).exists() and "--help" not in words:
            stored = ["experiment=demo", f"runs_dir={STORED / 'sweeps'}"]
            words = with_words(words, stored + [f"experiments_dir={STORED / 'experiments'}"] * (name == "report"))
        return command_line(f"{name}.py", *filled(words, self.place), cwd=self.here, **variables)

    def _started(self, words: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **variables, "PYTHONPATH": str(self.here)}
        return subprocess.run(
            words, cwd=self.here, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def _environment(self, rest: list[str]) -> subprocess.CompletedProcess[str]:
        """The environment that is entered is the one that make setup makes."""
        made = subprocess.run(
            ["make", "--dry-run", "--always-make", "setup"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert rest == [".venv/bin/activate"]
        assert "-m venv .venv" in made.stdout
        return made

    def _moved(self, rest: list[str]) -> subprocess.CompletedProcess[str]:
        self.here = (self.here / rest[0]).resolve()
        assert self.here.is_relative_to(self.place.resolve()), f"cd {rest[0]} leaves the folder of the page"
        assert self.here.is_dir(), f"cd {rest[0]}: there is no such folder"
        return subprocess.CompletedProcess([], 0, "", "")


def _shown(text: str, said: str) -> bool:
    """A text is shown as it is, and ``/one/`` is a regular expression."""
    if len(text) > 2 and text[0] == text[-1] == "/":
        return re.search(text[1:-1], said) is not None
    return _plain(text) in said


def _plain(text: str) -> str:
    return " ".join(text.split())
