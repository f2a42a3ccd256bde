"""A command that is forked is as one that is started."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import warm
from tests.conftest import ROOT, TINY, command_line

pytestmark = pytest.mark.cli
LONG = (*TINY[:2], "steps=100000", "trainer.log_every=1")


@pytest.mark.parametrize("words", [["batch=0"], ["--help"], ["--cfg", "job"], ["-m", "seed=0,x"]])
def test_it_answers_alike(words: list[str], tmp_path: Path) -> None:
    forked, started = (
        command_line("train.py", *TINY, *words, f"runs_dir={tmp_path}", cwd=tmp_path, fresh=fresh, XDG_CACHE_HOME="/x")
        for fresh in (False, True)
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def begun(start: Callable[..., Any], place: Path, **options: Any) -> Any:
    process = start(
        [sys.executable, str(ROOT / "train.py"), *LONG, f"runs_dir={place}"], cwd=place, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "NORMFREE_OWN": "own"}, **options,
    )  # fmt: skip
    while "step 1/" not in process.stdout.readline():
        assert process.poll() is None
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_is_seen_and_ended_alike(number: signal.Signals, tmp_path: Path) -> None:
    told = []
    for start in (warm.Popen, subprocess.Popen):
        place = tmp_path / start.__module__
        place.mkdir()
        with begun(start, place, start_new_session=True) as process:
            seen = psutil.Process(process.pid)
            words = [word.replace(str(place), "PLACE") for word in seen.cmdline() if word]
            names = {name: value for name, value in seen.environ().items() if name}
            parts = (words, names, seen.cwd() == str(place), seen.ppid() == os.getpid(), len(seen.children()))
            own = os.getsid(process.pid) == process.pid == os.getpgid(process.pid)
            os.killpg(process.pid, number)
            told.append((*parts, own, process.wait(30), "Traceback" in process.stderr.read()))
    assert told[0] == told[1]
    assert told[0][-2:] == (130 if number == signal.SIGINT else -signal.SIGKILL, False)


def test_what_is_read_while_it_is_imported_is_started_anew(tmp_path: Path) -> None:
    first = warm.first_environment()
    assert not warm._unread({**first, "OMP_NUM_THREADS": "7"}, [])
    (tmp_path / "my_nets.py").touch()
    assert warm._unread({**first, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}, [])
    (tmp_path / "torch.py").touch()
    assert not warm._unread({**first, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}, [])
    assert warm._unread({**first, "XDG_CACHE_HOME": "/x"}, [])
    assert not warm._words([sys.executable, "-c", "pass"], None)
    assert not warm._words([sys.executable, "train.py"], "/")


def test_warnings_are_what_is_asked_of_them(tmp_path: Path) -> None:
    """`warnings.warn` in a file of the user's own is an error, or a line, or nothing."""
    (tmp_path / "loud.py").write_text("import warnings\nwarnings.warn('loud')\nraise SystemExit(3)\n")
    words = [*TINY, "model=custom", "model._target_=loud.Net", f"runs_dir={tmp_path}"]
    said = {
        asked: command_line("train.py", *words, cwd=tmp_path, PYTHONWARNINGS=asked).stderr
        for asked in ("error", "ignore")
    }
    assert "UserWarning: loud" in said["error"]
    assert "loud" not in said["ignore"].replace("loud.Net", "")


def test_what_a_test_sets_for_the_first_command_is_no_ones_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every later command would be of another environment, and started anew."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert warm.first_environment().get("CUDA_VISIBLE_DEVICES") != "7"
    assert not warm._unread(os.environ, [])
    monkeypatch.undo()
    assert warm._unread(os.environ, [])
