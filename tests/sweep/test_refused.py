"""What is wrong with a run of a sweep is told before anything is written or started, by its plan too."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import TINY, command_line

from normfree.config import Resolved, UserError
from normfree.sweep import refused
from normfree.sweep.aside import Aside
from normfree.sweep.planned import SweepRun

NO_GPU = {"CUDA_VISIBLE_DEVICES": ""} if torch.cuda.is_available() else {}
"""Nothing where there is none, so that commands can be forked (`tests.warm`)."""
GPU = "trainer=gpu: torch sees no CUDA device here; use trainer=cpu"
OWN = "tests.train.own_modules"


def run_of(resolved: Resolved, *overrides: str) -> SweepRun:
    return SweepRun(list(overrides), resolved, "name", [])


def test_the_process_aside_answers_and_ends() -> None:
    with Aside() as aside:
        aside.start(os.getpid)
        aside.start(os.getpid)
        pid = aside.ask(os.getpid)
        assert pid != os.getpid()
        assert aside.ask(os.getpid) == pid
        with pytest.raises(UserError, match=r"^batch=1: wrong$"):
            aside.ask(_refuse, "batch=1: wrong")
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            aside.ask(divmod, 1, 0)
        with pytest.raises(EOFError):
            aside.ask(os._exit, 3)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _refuse(line: str) -> None:
    raise UserError(line)


def test_what_ends_the_process_aside_ends_no_sweep(tiny: Callable[..., Resolved]) -> None:
    class Killed(Aside):
        def ask(self, *_: Any) -> Any:
            raise EOFError

    with Killed() as aside:
        refused.refuse_wrong([run_of(tiny())], aside, here=True)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["a=1: wrong", "a=1: wrong"], "a=1: wrong"),
        (["", "a=1: wrong"], "a=1: wrong (in the combination a=1 seed=1; 1 of 2 runs are refused)"),
        (["b=1: no", "a=1: wrong"], "b=1: no (in the combination a=1 seed=0; 2 of 2 runs are refused)"),
    ],
)
def test_one_arm_is_named(lines: list[str], told: str, tiny: Callable[..., Resolved]) -> None:
    class Told(Aside):
        def ask(self, *_: Any) -> Any:
            return lines

    with Told() as aside, pytest.raises(UserError) as error:
        refused.refuse_wrong([run_of(tiny(), "a=1", f"seed={seed}") for seed in (0, 1)], aside, here=False)
    assert str(error.value) == told


@pytest.mark.cli
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("trainer=gpu",), f"{GPU}\n"),
        (("trainer=auto", "precision=32-true,16-mixed"), "precision=16-mixed: needs a GPU; use precision=32-true or"),
        (("model.name=nf_resnet20,foo",), "model.name=foo: unknown model 'foo'"),
        (("model=custom", f"model._target_={OWN}.Maps", "clip=none"), f"model._target_={OWN}.Maps: gives a tensor"),
        (("optimizer=custom", f"optimizer._target_={OWN}.Descent,{OWN}.no_optimizer"), "optimizer._target_="),
    ],
)
def test_a_sweep_is_refused_as_its_run_is(words: tuple[str, ...], line: str, tmp_path: Path) -> None:
    answer = command_line("train.py", "-m", *TINY, *words, "seed=0,1", f"runs_dir={tmp_path / 'runs'}", **NO_GPU)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"error: {line}")
    assert answer.stderr.count("\n") == 1
    varied = [word for word in words if "," in word]
    if varied:
        bad = varied[0].partition("=")[0] + "=" + varied[0].rpartition(",")[2]
        assert f" {bad} " in answer.stderr.partition(" (in the combination ")[2]
        assert answer.stderr.endswith("; 2 of 4 runs are refused)\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.cli
def test_a_plan_refuses_what_is_wrong_before_it_counts(tmp_path: Path) -> None:
    words = (*TINY, "model.name=nf_resnet20,foo", "plan=true", f"runs_dir={tmp_path / 'runs'}")
    answer = command_line("train.py", "-m", *words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("error: model.name=foo: unknown model 'foo'")


@pytest.mark.cli
@pytest.mark.parametrize("mode", [(), ("-m", "seed=0,1")])
def test_a_plan_tells_what_is_lacking_and_ends_as_the_run_would(mode: tuple[str, ...], tmp_path: Path) -> None:
    words = (*mode, *TINY, "trainer=gpu", "plan=true", f"runs_dir={tmp_path / 'runs'}")
    answer = command_line("train.py", *words, **NO_GPU)
    assert (answer.returncode, answer.stderr) == (2, f"error: {GPU}\n")
    (warning,) = [line for line in answer.stdout.splitlines() if line.startswith("warning")]
    assert warning.endswith(GPU)
    assert "not measured: this machine lacks what" in answer.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.cli
def test_a_sweep_that_has_its_results_needs_no_torch(tmp_path: Path) -> None:
    words = ("-m", *TINY, "seed=0,1", f"runs_dir={tmp_path / 'runs'}")
    assert command_line("train.py", *words).returncode == 0
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')\n", encoding="utf-8")
    again = command_line("train.py", *words, PYTHONPATH=str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("all 2 runs of single have their results\n")
