"""A server as users start it, in a process of its own, and what it takes of memory."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from tests import warm
from tests.conftest import ROOT

START_SECONDS = 90


class Server:
    """``predict.py source=browser port=0 ...``; a context manager that stops it by Ctrl-C.

    Args:
        fresh: with an interpreter of its own, whose memory nobody shares.
    """

    def __init__(self, *words: str, port: int = 0, cwd: Path = ROOT, fresh: bool = True) -> None:
        self.lines: list[str] = []
        self.errors = ""
        self._process: subprocess.Popen[str] = (subprocess.Popen if fresh else warm.Popen)(
            [sys.executable, str(ROOT / "predict.py"), "source=browser", f"port={port}", *words],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self.errors = self._process.stderr.read()

    def __enter__(self) -> "Server":
        until = time.monotonic() + START_SECONDS
        while not self.url and time.monotonic() < until and self._process.poll() is None:
            time.sleep(0.05)
        assert self.url, (self.lines, self.errors)
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise
        self._reader.join(5)
        self._listener.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    @property
    def url(self) -> str:
        found = [match[1] for line in self.lines if (match := re.match(r"open (http\S+)", line))]
        return found[0] if found else ""

    @property
    def base(self) -> str:
        """Without a path."""
        return "/".join(self.url.split("/")[:3])

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    @property
    def code(self) -> int | None:
        return self._process.poll()

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> dict[str, float]:
        """MiB that each process has for itself or shares (PSS): the server's own, and those that decode."""
        own = psutil.Process(self._process.pid)
        decoders = [each for each in own.children(recursive=True) if "forkserver" in " ".join(each.cmdline())]
        parts = {"server": [own], "decoders": decoders}
        return {name: sum(each.memory_full_info().pss for each in every) / 2**20 for name, every in parts.items()}
