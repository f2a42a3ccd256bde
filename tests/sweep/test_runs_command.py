"""``python runs.py``: states from the run directories alone, and starting some again."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, TINY, command_line

from normfree.config import Resolved, UserError
from normfree.runs import RECORDED, RunDirectory, run_id
from normfree.sweep.command import RunsKeys, find_experiment, read_keys
from normfree.sweep.state import count_states, run_states


def plan(runs: list[Resolved]) -> Path:
    """The experiment's folder with a plan of the runs."""
    folder = RunDirectory.of(runs[0]).path.parent
    folder.mkdir(parents=True)
    cells = [{"run_id": run_id(run), "overrides": [f"seed={run.config.seed}"], "grids": []} for run in runs]
    content = {"schema_version": 1, "experiment": "single", "cells": cells}
    (folder / "sweep.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_every_state_without_slurm(tiny: Callable[..., Resolved]) -> None:
    runs = [tiny(f"seed={seed}") for seed in range(8)]
    folder = plan(runs)
    directories = [RunDirectory.of(run) for run in runs]
    for directory, run, status in zip(directories, runs, RECORDED, strict=False):
        directory.record_failure(run, "because")
        result = json.loads(directory.result.read_text(encoding="utf-8"))
        directory.write_result(
            result | {"status": status, "traceback": "Traceback: told" if status == "failed" else None}
        )
    for directory in directories[5:7]:
        directory.create()
        directory.write_start({}, [], {"attempts": 1}, "")
    code = (
        "import sys; from pathlib import Path; from normfree.runs import RunDirectory\n"
        f"with RunDirectory(Path({str(directories[6].path)!r})).locked(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    states = run_states(folder)
    expected = [*RECORDED, "missing", "running", "planned"]
    assert [state.state for state in states] == expected
    assert "8 runs: 1 planned, 1 running, 1 finished" in count_states(states)
    holder.communicate()
    assert run_states(folder)[6].state == "missing", "its process has gone"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "experiment: is missing; give its name, such as experiment=quickstart"),
        (["quickstart"], "quickstart: give key=value, such as experiment=quickstart"),
        (["experiment=a", "rety=failed"], "rety=failed: no such key, did you mean retry?"),
        (["experiment=a", "retry=finished"], "retry=finished: choose from failed, preempted, missing, planned"),
        (["experiment=a", "all=yes"], "all=yes: give true or false"),
    ],
)
def test_bad_words_are_one_line(words: list[str], line: str) -> None:
    with pytest.raises(UserError) as error:
        read_keys(words)
    assert str(error.value).startswith(line)


def test_an_unknown_experiment_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "batch_sizes").mkdir()
    with pytest.raises(UserError, match=r"did you mean batch_sizes\?; there are: batch_sizes"):
        find_experiment(RunsKeys("batchsize", str(tmp_path)), ROOT / "experiments")
    with pytest.raises(UserError, match=r"no runs in .* yet; make them with: python train.py -m experiment=quickstart"):
        find_experiment(RunsKeys("quickstart", str(tmp_path)), ROOT / "experiments")


@pytest.mark.cli
def test_a_failed_run_is_shown_and_started_again(tmp_path: Path) -> None:
    targets = "tests.train.own_clipping.broken,tests.train.own_clipping.halve"
    words = ("-m", *TINY, "trainer=cpu", "clip=custom", f"clip._target_={targets}", f"runs_dir={tmp_path}")
    answer = command_line("train.py", *words, PYTHONPATH=str(ROOT))
    assert answer.returncode == 1
    assert "own_clipping.py" in answer.stdout, "the traceback"
    here = ("experiment=single", f"runs_dir={tmp_path}")
    table = command_line("runs.py", *here)
    assert table.returncode == 0
    for part in ("failed", "OutOfMemoryError: mine", "own_clipping.py", "retry=failed", "2 runs: "):
        assert part in table.stdout
    again = command_line("runs.py", *here, "retry=failed", PYTHONPATH=str(ROOT))
    assert again.returncode == 1
    assert "1 runs: 1 failed" in again.stdout
    (failed,) = tmp_path.glob("single/*broken*/result.json")
    assert json.loads(failed.read_text(encoding="utf-8"))["attempts"] == 2
    assert command_line("runs.py", *here, "retry=missing").stdout.strip().endswith("none is missing")


@pytest.mark.cli
def test_the_table_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "single").mkdir()
    code = (
        f"import sys, runpy; sys.argv = ['runs.py', 'experiment=single', 'runs_dir={tmp_path}']\n"
        "try: runpy.run_path('runs.py', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "pytorch_lightning", "pandas"} & set(answer.stderr.split())
