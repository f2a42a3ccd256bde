"""Combinations of a sweep that come to one run are told, with what made no difference."""

from pathlib import Path

import pytest
from tests.conftest import TINY, command_line, composed, resolved

from normfree.sweep.planned import plan_runs
from normfree.sweep.same_run import tell_same_runs


def test_which_key_made_no_difference_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    planned = [(["batch=32", f"augment.magnitude={value}"], list[str]()) for value in (0, 5, 10)]
    (run,) = plan_runs(planned, lambda overrides: composed(*overrides))
    assert capsys.readouterr().err == (
        "3 combinations come to 1 run: augment.magnitude=0,5,10 makes no difference, as it has no effect without "
        f"augment.randaugment_layers ({run.run_id})\n"
    )


def test_two_ways_to_say_it(capsys: pytest.CaptureFixture[str]) -> None:
    combinations = [
        (words, resolved(*words), ("lengths",)) for words in (["lr=1"], ["lr=1.0"], ["clip.stages=null", "lr=1"])
    ]
    tell_same_runs({"a-run": combinations})
    told = "3 combinations come to 1 run: lr=1,1.0 clip.stages=(none),null makes no difference (a-run)\n"
    assert capsys.readouterr().err == told


def test_grids_that_share_a_run_are_meant(capsys: pytest.CaptureFixture[str]) -> None:
    planned = [(["lr=1.6"], ["stability"]), (["optimizer.base_lr=6.4"], ["linear_rule"])]
    (run,) = plan_runs(planned, lambda overrides: composed(*overrides))
    assert run.grids == ["stability", "linear_rule"]
    assert capsys.readouterr().err == ""


def test_a_key_that_all_cells_have_in_vain(capsys: pytest.CaptureFixture[str]) -> None:
    planned = [(["augment.magnitude=5", f"seed={seed}"], list[str]()) for seed in (0, 1)]
    assert len(plan_runs(planned, lambda overrides: composed(*overrides))) == 2
    told = "warning: augment.magnitude=5 has no effect without augment.randaugment_layers\n"
    assert capsys.readouterr().err == told


@pytest.mark.cli
def test_the_plan_tells_it(tmp_path: Path) -> None:
    answer = command_line("train.py", "-m", *TINY, "augment.magnitude=0,5", f"runs_dir={tmp_path}", "plan=true")
    assert answer.returncode == 0
    assert "2 combinations come to 1 run: augment.magnitude=0,5 makes no difference" in answer.stderr
    assert "1 run, 0 of them done" in answer.stdout
