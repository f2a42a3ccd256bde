"""Commands without the seconds of CPU that an interpreter takes to import torch: forked from one that has imported it.

`Popen` and `run` are those of `subprocess`. Where they are asked for a script of the root, in an environment that says
nothing about importing, the process is a fork of one that stands by (`tests.warm_process`, one for each process that
runs tests), with its own arguments, folder, environment, standard streams, session and signals; it is a child of the
one that asked for it, and ends as an interpreter does. What clipping did it does not draw, unless it is asked to
(`tests.undrawn`). Whatever else is asked for is started in the usual way, and so is everything where the system lends
no children.

Tests of starting itself use `subprocess`: of what is imported, of variables that are read by then, of killed trees.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import json
import multiprocessing.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("train", "runs", "report", "evaluate", "predict", "export", "bench")
SCRIPTS = frozenset([*(str(ROOT / f"{name}.py") for name in COMMANDS), str(ROOT / "tests" / "docs" / "session.py")])
RANK = ["-m", "normfree.train.rank_main"]
UNREAD = (
    "NORMFREE_", "PL_GLOBAL_SEED", "PL_SEED_WORKERS", "PYTEST_", "SLURM_", "WANDB_", "XDG_", "COLUMNS",
    "GLOO_SOCKET_IFNAME", "HYDRA_FULL_ERROR", "MASTER_PORT", "PYTHONWARNINGS",
)  # fmt: skip
"""Variables that nothing reads while it is imported: these may differ from those of the process that stands by.
Warnings of imports are shown by none that is forked."""
ROOM = 32_000
"""Bytes that the words of a process take as others see them, and its environment, at most."""
_SUBREAPER = 36


class Popen(subprocess.Popen[Any]):
    """A command, forked where it can be."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, close_fds: bool, *rest: Any) -> None:
        pass_fds, cwd, env, _, _, shell, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = rest[:12]
        restore_signals, gid, gids, uid, umask, session, *group = rest[12:]
        words, folder = _words(args, cwd), os.path.abspath(cwd or os.curdir)
        plain = not (executable or preexec_fn or shell or gid or gids or uid)
        plain = plain and close_fds and restore_signals and umask == -1
        wanted = dict(os.environ if env is None else env)
        stand_by = standing_by() if plain and words and _unread(wanted, words) else None
        streams = [here if given == -1 else given for here, given in enumerate((p2cread, c2pwrite, errwrite))]
        if stand_by is None or any(map(os.isatty, streams[1:])):
            super()._execute_child(args, executable, preexec_fn, close_fds, *rest)  # type: ignore[misc]
            return
        open_there = dict(enumerate(streams)) | {number: number for number in pass_fds}
        asked = {"folder": folder, "environment": wanted, "session": bool(session), "group": (group or [-1])[0]}
        self.pid = stand_by.fork(words, open_there, **asked)
        self._child_created = True
        self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


def run(
    args: Sequence[str],
    *,
    timeout: float | None = None,
    check: bool = False,
    capture_output: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` with ``text=True``, which reads no standard input."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} if capture_output else {}
    with Popen(args, **{"text": True, **pipes, **options}) as process:
        try:
            said = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess[str](args, process.returncode, *said)
    if check:
        done.check_returncode()
    return done


def _words(args: Any, cwd: Any) -> list[str]:
    """The script and its words; nothing for what is not forked."""
    if isinstance(args, str | bytes) or str(args[0]) != sys.executable or len(args) < 2:
        return []
    words = [str(word) for word in args[1:]]
    if words[:2] == RANK:
        return words
    script = os.path.abspath(os.path.join(cwd or os.curdir, words[0]))
    return [script, *words[1:]] if script in SCRIPTS else []


def _unread(environment: Mapping[str, str], words: list[str]) -> bool:
    differ = {name for name, _ in environment.items() ^ first_environment().items()}
    # A rank is told where the process that starts it looks for what it imports.
    adds_alone = words[:2] == RANK or not _hides(environment.get("PYTHONPATH", ""))
    return all(name.startswith(UNREAD) or (name == "PYTHONPATH" and adds_alone) for name in differ)


def _hides(path: str) -> bool:
    """Whether a module in a folder of this path would be imported in the place of one that there is without it."""
    for folder in filter(None, path.split(os.pathsep)):
        for name in {Path(each.name).stem for each in Path(folder).glob("*") if each.is_dir() or each.suffix == ".py"}:
            found = find_spec(name) if name.isidentifier() else None
            if found and found.origin and not found.origin.startswith(f"{folder}{os.sep}"):
                return True
    return False


@cache
def first_environment() -> dict[str, str]:
    """As it was when this was first asked for, which is before any test (`tests.conftest`): what a test sets for the
    first command would else be missed by all others, which would then be started in the usual way.
    """
    return dict(os.environ)


lent: list[StandingBy] = []
"""That of a process which was forked itself."""


def lend_ranks() -> None:
    """Ranks that this process starts are forked from here on."""
    from normfree.train.ranks import process

    process.__dict__["subprocess"] = ForRanks


def lend_workers(*kinds: str) -> None:
    """What `multiprocessing` starts for this process from here on is forked.

    Args:
        kinds: ``forkserver``, from which workers are forked, and ``spawn_main``, a worker that is started alone.
    """
    as_usual = multiprocessing.util.spawnv_passfds

    def spawned(path: Any, args: Any, fds: Any) -> int:
        every = [os.fsdecode(each) for each in args]
        words = every[every.index("-c") :] if "-c" in every else []
        asked = words and any(kind in words[1] for kind in kinds) and _unread(os.environ, words)
        stand_by = standing_by() if asked else None
        if stand_by is None:
            return as_usual(path, args, fds)
        open_there = {number: number for number in (0, 1, 2, *fds)}
        here = {"folder": os.getcwd(), "environment": dict(os.environ), "session": False, "group": -1}
        return stand_by.fork(words, open_there, **here)

    multiprocessing.util.__dict__["spawnv_passfds"] = spawned


class ForRanks:
    """What there is of `subprocess` for the module that starts ranks."""

    Popen = Popen
    DEVNULL = subprocess.DEVNULL
    TimeoutExpired = subprocess.TimeoutExpired


@cache
def standing_by() -> StandingBy | None:
    """This process's own; ``None`` where the system lends no children."""
    if lent:
        return lent[0]
    if sys.platform != "linux":
        return None
    mine, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.warm_process", str(theirs.fileno()), "-" * ROOM]
    path = os.pathsep.join(filter(None, (str(ROOT), first_environment().get("PYTHONPATH"))))
    environment = {**first_environment(), "PYTHONPATH": path, "ROOM": "-" * ROOM}
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdin=nothing, stdout=nothing
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(mine.close)
    return StandingBy(mine)


class StandingBy:
    """A process that has imported what commands import, behind a socket."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self._one_at_a_time = threading.Lock()

    def fork(self, words: list[str], descriptors: Mapping[int, int], **asked: Any) -> int:
        """The process id of a child of this process, that does what the words say.

        Args:
            descriptors: what is open there under a number, by the descriptor of this process.
            asked: its ``folder``, its ``environment``, whether it has a ``session`` of its own, and the ``group``
                of processes that it joins; -1 for none.
        """
        ignores = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        message = json.dumps({"words": words, "numbers": list(descriptors), "ignores": ignores, **asked}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors.values()))]
        with self._one_at_a_time, _adopting():
            self._asking.sendmsg([len(message).to_bytes(8, "big")], rights)
            self._asking.sendall(message)
            answer = self._asking.recv(32)
        if not answer:
            raise RuntimeError("the process that commands are forked from has ended")
        return int(answer)


@contextmanager
def _adopting() -> Iterator[None]:
    """Processes further down whose parent ends become children of this one."""
    control = ctypes.CDLL(None).prctl
    control(_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        control(_SUBREAPER, 0, 0, 0, 0)
