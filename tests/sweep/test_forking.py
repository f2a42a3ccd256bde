"""The process that workers are forked from."""

import os
import signal
import subprocess
import sys

from normfree.sweep.forking import context, warm_up
from normfree.sweep.prepared import SWEEP


def prepared(sweep: int) -> subprocess.CompletedProcess[str]:
    script = "import sys, normfree.sweep.prepared; print('torch' in sys.modules)"
    variables = {**os.environ, SWEEP: str(sweep)}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=variables)


def test_it_has_torch() -> None:
    assert prepared(os.getpid()).stdout == "True\n"


def test_it_ends_where_its_sweep_has_ended() -> None:
    ended = prepared(2**22 + 1)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "")


def test_workers_on_gpus_are_fresh_interpreters() -> None:
    assert context(["0"]).get_start_method() == "spawn"
    assert context([]).get_start_method() == "forkserver"


def test_starting_it_leaves_this_process_as_it_was() -> None:
    def heard(*_: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGINT, heard)
    try:
        warm_up()
        assert signal.getsignal(signal.SIGINT) is heard
    finally:
        signal.signal(signal.SIGINT, before)
    assert SWEEP not in os.environ
