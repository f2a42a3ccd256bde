"""The process that stands by for `tests.warm`: it has what commands import, and forks one for each asked.

``python -m tests.warm_process DESCRIPTOR ROOM``: the socket that is asked through, and room for words to be shown.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import importlib.util
import json
import multiprocessing.process
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.undrawn import CLIP_FIGURE, DRAWN, without_drawing
from tests.warm import COMMANDS, ROOT, StandingBy, lend_ranks, lend_workers, lent

IMPORTED = (
    *(f"normfree.cli.{name}" for name in COMMANDS), "normfree.cli.probe", "normfree.sweep.sweep",
    *(f"normfree.train.{name}" for name in ("plan", "rank_main", "run", "worker")),
    "hydra._internal.hydra", "hydra.core.plugins", "matplotlib.figure", "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg", "scipy.stats", "jinja2",
)  # fmt: skip


def _serve(asked_here: socket.socket) -> dict[str, Any]:
    """Fork for each message; returns in the children alone, with what is asked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        length, descriptors, _, _ = socket.recv_fds(asked_here, 8, 16)
        if not length:
            os._exit(0)
        message = b""
        while len(message) < int.from_bytes(length, "big"):
            message += asked_here.recv(1 << 20)
        telling, told = os.pipe()
        between = os.fork()
        if between == 0:
            between, child = os.getpid(), os.fork()
            if child:
                os.write(told, str(child).encode())
                os._exit(0)
            asked_here.close()
            os.close(telling)
            os.close(told)
            while os.getppid() == between:
                time.sleep(0.0005)
            asked: dict[str, Any] = json.loads(message)
            _place(descriptors, asked["numbers"])
            return asked
        os.waitpid(between, 0)
        asked_here.sendall(os.read(telling, 32))
        for descriptor in (telling, told, *descriptors):
            os.close(descriptor)


def _place(descriptors: list[int], numbers: list[int]) -> None:
    """Open under these numbers, and under no other."""
    free = 1 + max(*descriptors, *numbers)
    for descriptor in descriptors:
        os.dup2(descriptor, free + descriptor)
        os.close(descriptor)
    for descriptor, number in zip(descriptors, numbers, strict=True):
        os.dup2(free + descriptor, number)
        os.close(free + descriptor)


def _become(asked: dict[str, Any]) -> tuple[CodeType, dict[str, Any]]:
    """Make this process what a started one is; returns what it is to execute, and where."""
    signal.signal(signal.SIGINT, signal.SIG_IGN if asked["ignores"] else signal.default_int_handler)
    if asked["session"]:
        os.setsid()
    elif asked["group"] != -1:
        os.setpgid(0, asked["group"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for asked_of_warnings in filter(None, asked["environment"].get("PYTHONWARNINGS", "").split(",")):
        warnings._setoption(asked_of_warnings)  # type: ignore[attr-defined]
    if DRAWN not in asked["environment"]:
        sys.modules[CLIP_FIGURE] = without_drawing()
    words = asked["words"]
    _show([sys.executable, *words], asked["environment"])
    sys.orig_argv[:] = [sys.executable, *words]
    multiprocessing.process.ORIGINAL_DIR = asked["folder"]  # type: ignore[attr-defined]
    importlib.invalidate_caches()
    main = ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.path.remove(str(ROOT))
    sys.path[:0] = filter(None, asked["environment"].get("PYTHONPATH", "").split(os.pathsep))
    if words[0].startswith("-"):
        sys.path.insert(0, "")
        sys.argv[:] = [words[0], *words[2:]]
        if words[0] == "-c":
            return compile(words[1], "<string>", "exec"), main.__dict__
        main.__spec__ = importlib.util.find_spec(words[1])
        assert main.__spec__ is not None
        script = main.__file__ = sys.argv[0] = str(main.__spec__.origin)
    else:
        script = main.__file__ = words[0]
        sys.path.insert(0, str(Path(script).parent))
        sys.argv[:] = words
        if "-m" in words or any("ddp" in word or word == "probe=split" for word in words):
            _lend_workers()
    return compile(Path(script).read_bytes(), script, "exec"), main.__dict__


def _execute(code: CodeType, names: dict[str, Any]) -> None:
    """What the process is for; it ends here, unless by an exception that says more than an exit status.

    An interpreter that ends takes apart all that it has imported, which is most of what it shares with the process that
    it was forked from: half of the time of a command that does little.
    """
    try:
        exec(code, names)
        status = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        status = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


def _show(words: list[str], environment: Mapping[str, str]) -> None:
    """Let others see these as the command line and the environment of this process."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    places = [int(field) for field in fields[45:49]]
    texts = [words, [f"{name}={value}" for name, value in environment.items()]]
    for start, end, text in zip(places[::2], places[1::2], texts, strict=True):
        told = "".join(f"{each}\0" for each in text).encode()[: end - start - 1]
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, told, len(told))


def _lend_workers() -> None:
    """What this process is about to start for itself is forked too: ranks, and what a sweep forks its workers from."""
    mine, theirs = socket.socketpair()
    if os.fork() == 0:
        mine.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.close(nothing)
        sys.path.insert(0, str(ROOT))
        _execute(*_become(_serve(theirs)))
        sys.exit()
    theirs.close()
    lent.append(StandingBy(mine))
    lend_ranks()
    lend_workers("forkserver", "spawn_main")


if __name__ == "__main__":
    import gc

    from normfree.host.openmp import wait_briefly

    wait_briefly()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in IMPORTED:
            importlib.import_module(name)
    assert len(os.listdir("/proc/self/task")) == 1, "threads do not live through a fork"
    gc.freeze()
    _execute(*_become(_serve(socket.socket(fileno=int(sys.argv[1])))))
