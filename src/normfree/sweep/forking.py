"""Where worker processes come from: one process that has imported torch, or a fresh interpreter for each.

On processors, torch and Lightning are imported once for all workers, in a process that does nothing else, and while the
sweep is still being planned. On GPUs a worker must not be forked from a process that may have looked at them.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.forkserver import ensure_running, set_forkserver_preload
from multiprocessing.process import BaseProcess

from normfree.config import UserError
from normfree.sweep.prepared import SWEEP

_ATTEMPTS = 3
_GONE_SECONDS = 0.5
_IMPORTED = ["__main__", "normfree.sweep.prepared"]


def context(gpus: list[str]) -> ForkServerContext | SpawnContext:
    """How workers on these GPUs, or on processors if there are none, are started."""
    if gpus:
        return multiprocessing.get_context("spawn")
    warm_up()
    return multiprocessing.get_context("forkserver")


def started(gpus: list[str], name: str, target: Callable[..., None], *arguments: object) -> BaseProcess:
    """A worker process that runs ``target(*arguments)``.

    Raises:
        UserError: the process that it is forked from was ended from outside each time it was started.
    """
    for _ in range(_ATTEMPTS):
        process = context(gpus).Process(target=target, args=arguments, name=name)
        try:
            process.start()
            return process
        except (EOFError, ConnectionError, BrokenPipeError) as error:
            last = error
            # One that is being killed is taken for running until it has gone.
            time.sleep(_GONE_SECONDS)
    raise UserError(
        f"hydra.launcher=pool: the process that workers are forked from was killed {_ATTEMPTS} times as it started "
        "(is the memory full?); start the sweep again with fewer hydra.launcher.workers"
    ) from last


def warm_up() -> None:
    """Start the process that workers on processors are forked from, unless there is one; returns at once."""
    set_forkserver_preload(_IMPORTED)
    with _inherited():
        ensure_running()


@contextmanager
def _inherited() -> Iterator[None]:
    """What a process that is started now takes with it: whose it is, and that Ctrl-C is not for it."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    os.environ[SWEEP] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[SWEEP]
        if main:
            signal.signal(signal.SIGINT, before)
