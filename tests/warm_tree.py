"""Commands of a copy of this tree, each forked from one process that has imported the copy's code once.

``python -m tests.warm_tree SOCKET``, started in the copy, is asked through the socket. `Tree` starts it, and
its `interpreter` asks.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.warm import ROOT, UNREAD, run

OF_TESTS = tuple(f"tests/{name}.py" for name in ("undrawn", "warm", "warm_process", "warm_tree"))
_ASKS = """import json, os, socket, sys
asked = {"words": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(json.dumps(asked).encode() + b"\\n")
code, out, error = json.loads(connection.makefile().read())
sys.stdout.write(out)
sys.stderr.write(error)
sys.exit(code)
"""


def copy(place: Path, names: Iterable[str]) -> Path:
    """These files and folders of this tree in a folder."""
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name)
        else:
            shutil.copy(ROOT / name, place / name)
    return place


class Tree:
    """A context manager, within which the commands of a copy of this tree are forked.

    Args:
        place: the folder of the copy.

    Attributes:
        interpreter: what a script may take for Python.
    """

    def __init__(self, place: Path) -> None:
        self.place = copy(place, OF_TESTS)
        self.interpreter = place / "python"

    def __enter__(self) -> Tree:
        # Names of sockets are short.
        self._folder = tempfile.TemporaryDirectory(prefix="tree-")
        path = Path(self._folder.name, "asked")
        (self.place / "ask.py").write_text(_ASKS, encoding="utf-8")
        asks = shlex.join([sys.executable, "-IS", str(self.place / "ask.py"), str(path)])
        self.interpreter.write_text(f'#!/bin/sh\nexec {asks} "$@"\n', encoding="utf-8")
        self.interpreter.chmod(0o755)
        variables = {**os.environ, "PYTHONPATH": f"{self.place / 'src'}{os.pathsep}{self.place}"}
        words = [sys.executable, "-m", "tests.warm_tree", str(path)]
        self._process = subprocess.Popen(words, cwd=self.place, env=variables, stdin=subprocess.PIPE)
        until = time.monotonic() + 60
        while not path.exists():
            assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def run(self, words: Sequence[str], timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """``python WORDS`` in the copy."""
        asked = [str(self.interpreter), *words]
        return subprocess.run(asked, cwd=self.place, capture_output=True, text=True, timeout=timeout, check=False)


def _answer(connection: socket.socket) -> None:
    with connection:
        asked: dict[str, Any] = json.loads(connection.makefile().readline())
        told = {name: value for name, value in asked["environment"].items() if name.startswith(UNREAD)}
        words, variables = [sys.executable, *asked["words"]], {**os.environ, **told}
        done = run(words, cwd=asked["folder"], env=variables, capture_output=True)
        connection.sendall(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


def _serve(path: str) -> None:
    """Until its standard input ends."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    threading.Thread(target=_accept, args=(listening,), daemon=True).start()
    sys.stdin.read()


def _accept(listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    _serve(sys.argv[1])
