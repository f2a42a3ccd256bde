"""Commands of a copy of this tree, each forked from one process that has imported the copy's code once.

``python -m tests.warm_tree SOCKET``, started in the copy, is asked through the socket. `Tree` makes a copy and starts
it; its `interpreter` asks, and is what a script may take for Python.
"""

from __future__ import annotations

import json
import os
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

from tests import warm

ROOT = Path(__file__).resolve().parent.parent
OF_TESTS = tuple(f"tests/{name}.py" for name in ("undrawn", "warm", "warm_process", "warm_tree"))
_ASKS = """#!{interpreter} -IS
import json, os, socket, sys
asked = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
connection = socket.socket(socket.AF_UNIX)
connection.connect({path!r})
connection.sendall(json.dumps(asked).encode() + b"\\n")
code, out, error = json.loads(connection.makefile().read())
sys.stdout.write(out)
sys.stderr.write(error)
sys.exit(code)
"""


class Tree:
    """A copy of some of this tree; a context manager, within which its commands are forked.

    Args:
        place: an empty folder.
        names: files and folders that are copied.
    """

    def __init__(self, place: Path, names: Iterable[str]) -> None:
        self.place = place
        for name in (*names, *OF_TESTS):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place / name)
            else:
                shutil.copy(ROOT / name, place / name)
        # Names of sockets are short.
        self._socket = Path(tempfile.mkdtemp(prefix="tree-"), "asked")
        self.interpreter = place / "ask.py"
        words = {"interpreter": sys.executable, "path": str(self._socket)}
        self.interpreter.write_text(_ASKS.format(**words), encoding="utf-8")
        self.interpreter.chmod(0o755)

    def __enter__(self) -> Tree:
        variables = {**os.environ, "PYTHONPATH": f"{self.place / 'src'}{os.pathsep}{self.place}"}
        words = [sys.executable, "-m", "tests.warm_tree", str(self._socket)]
        self._process = subprocess.Popen(words, cwd=self.place, env=variables, stdin=subprocess.PIPE)
        until = time.monotonic() + 60
        while not self._socket.exists():
            assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()
        shutil.rmtree(self._socket.parent)

    def run(self, words: Sequence[str], timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """``python WORDS`` in the copy."""
        asked = [str(self.interpreter), *words]
        return subprocess.run(asked, cwd=self.place, capture_output=True, text=True, timeout=timeout, check=False)


def _answer(connection: socket.socket) -> None:
    with connection:
        asked: dict[str, Any] = json.loads(connection.makefile().readline())
        variables = {**os.environ, **{name: value for name, value in asked["environment"].items() if _is_told(name)}}
        words, folder = [sys.executable, *asked["words"]], asked["folder"]
        done = warm.run(words, cwd=folder, env=variables, capture_output=True)
        connection.sendall(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


def _is_told(name: str) -> bool:
    return name.startswith(warm.UNREAD)


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
