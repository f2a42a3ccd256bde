"""A worker process ends with the process it works for, whenever that one is killed."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PARENT = """
import os, sys, time
from normfree.host.orphans import end_with

parent = os.getpid()
if os.fork():
    time.sleep(60)
if sys.argv[1] == "late":
    print("started", flush=True)
    while os.getppid() == parent:
        time.sleep(0.01)
    print("alone", flush=True)
end_with(parent)
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "parent.py"
    path.write_text(PARENT, encoding="utf-8")
    return path


def test_worker_is_killed_with_its_parent(script: Path) -> None:
    with subprocess.Popen([sys.executable, script, "early"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert worker.is_running()
        parent.kill()
        assert parent.stdout.read() == "", "the pipe closes when the worker has ended"
        parent.wait(10)


def test_worker_whose_parent_was_killed_before_it_started(script: Path) -> None:
    with subprocess.Popen([sys.executable, script, "late"], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        parent.kill()
        assert parent.stdout.read() == "alone\n", "it says no process id: it went no further"
        parent.wait(10)
