"""``python runs.py``: states from the run directories alone, and starting some again."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, TINY, command_line, resolved

from normfree.config import Resolved, UserError
from normfree.host.sizes import size_text
from normfree.runs import RECORDED, RunDirectory, run_id
from normfree.sweep.command import find_experiment, runs
from normfree.sweep.keys import RunsKeys, read_runs
from normfree.sweep.state import count_states, run_states
from normfree.train.run import run_one


def plan(runs: list[Resolved]) -> Path:
    """The experiment's folder with a plan of the runs."""
    folder = RunDirectory.of(runs[0]).path.parent
    folder.mkdir(parents=True)
    planned = [{"run_id": run_id(run), "overrides": [f"seed={run.config.seed}"], "grids": []} for run in runs]
    content = {"schema_version": 1, "experiment": "single", "cells": planned}
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
        (["all=true"], "experiment: is missing; give its name, such as experiment=quickstart"),
        (["experiment=a", "sort=acuracy"], "sort=acuracy: choose from state, run, seed, accuracy, time, did you mean"),
        (["experiment=a", "clean=all"], "clean=all: choose from checkpoints, failed"),
        (["compare=a"], "compare=a: give two runs with a comma between them"),
        (["experiment=a", "retry=failed", "clean=failed"], "retry and clean: give one of them"),
        (["quickstart"], "quickstart: give key=value, such as experiment=quickstart"),
        (["experiment=a", "rety=failed"], "rety=failed: no such key, did you mean 'retry'?"),
        (["experiment=a", "retry=finished"], "retry=finished: choose from failed, preempted, missing, planned"),
        (["experiment=a", "all=yes"], "all=yes: give true or false"),
    ],
)
def test_bad_words_are_one_line(words: list[str], line: str) -> None:
    with pytest.raises(UserError) as error:
        read_runs(words)
    assert str(error.value).startswith(line)


def test_an_unknown_experiment_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "batch_sizes").mkdir()
    with pytest.raises(UserError, match=r"did you mean 'batch_sizes'\?; there are: batch_sizes"):
        find_experiment(RunsKeys("batchsize", str(tmp_path)), ["loaders", "quickstart"])
    with pytest.raises(UserError, match=r"no runs in .* yet; make them with: python train.py -m experiment=quickstart"):
        find_experiment(RunsKeys("quickstart", str(tmp_path)), ["loaders", "quickstart"])


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
    assert "; traceback in " in table.stdout
    assert "Traceback (most recent" not in table.stdout, "the line says where it is"
    for part in ("failed", "OutOfMemoryError: mine", "own_clipping.py", "retry=failed", "2 runs: "):
        assert part in table.stdout
    again = command_line("runs.py", *here, "retry=failed", PYTHONPATH=str(ROOT))
    assert again.returncode == 1
    assert "1 run: 1 failed" in again.stdout
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


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one experiment, one of them failed, and one of another; gives the folder of the runs."""
    folder = tmp_path_factory.mktemp("three")
    broken = ("experiment.name=one", "clip=custom", "clip._target_=tests.train.own_clipping.broken")
    for words in (("experiment.name=one", "seed=1"), broken, ("experiment.name=two", "lr=0.1")):
        run_one(resolved(*TINY, f"runs_dir={folder}", *words), list(words))
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert runs(read_runs(words)) == 0
    return capsys.readouterr().out


def test_without_an_experiment_all_are_listed(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, f"runs_dir={three}")
    rows = {line.split()[0]: line for line in text.splitlines()[:2]}
    assert rows.keys() == {"one", "two"}
    assert "2 runs: 1 " in rows["one"]
    assert "1 failed" in rows["one"]
    assert text.splitlines()[-1] == f"the runs of one: python runs.py experiment=two runs_dir={three} all=true"
    assert "no runs yet" in said(capsys, f"runs_dir={three / 'none'}")


def test_rows_have_seed_accuracy_and_time_and_an_order(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, f"runs_dir={three}", "experiment=one", "all=true", "sort=-accuracy")
    head, first, second, *_ = text.splitlines()
    assert head.split() == ["run", "state", "job", "done", "seed", "test", "%", "time"]
    result = json.loads(next((three / "one").glob("*-s1-*/result.json")).read_text(encoding="utf-8"))
    assert first.split()[:5] == [
        result["run_id"], result["status"], "100%", "1", f"{100 * result['metrics']['test/accuracy']:.1f}"
    ]  # fmt: skip
    assert " failed " in second
    other = said(capsys, f"runs_dir={three}", "experiment=one", "all=true", "sort=accuracy").splitlines()
    assert " failed " in other[1]
    text = said(capsys, f"runs_dir={three}", "experiment=one", "all=true", "match=-s1-")
    assert "1 run: " in text
    assert "failed" not in text


def test_a_diverged_run_has_done_its_steps_and_no_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = resolved(*TINY, "clip=none", "lr=1e4", "optimizer.warmup_steps=0", f"runs_dir={tmp_path}")
    result = run_one(run, [])
    assert result["status"] == "diverged"
    text = said(capsys, f"runs_dir={tmp_path}", f"experiment={result['experiment']}", "all=true")
    row = text.splitlines()[1].split()
    assert row[:4] == [result["run_id"], "diverged", f"{result['steps_done'] / 8:.0%}", "0"]
    assert len(row) == 5, "no accuracy, only the time"


def test_two_runs_are_compared(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, f"runs_dir={three}", "compare=-s1-,lr0.1")
    rows = [line.split() for line in text.splitlines()]
    assert ["seed", "1", "0"] in rows
    assert ["lr", "-", "0.1"] in rows
    assert "metrics" in text
    assert any(row[:1] == ["train/final_loss"] for row in rows)
    assert not any(row[:1] == ["batch"] for row in rows), "the same in both"
    assert "no difference" in said(capsys, f"runs_dir={three}", "compare=lr0.1,lr0.1")
    one, other = (f"{next(three.glob(f'*/*{part}*'))}/" for part in ("-s1-", "lr0.1"))
    assert said(capsys, f"runs_dir={three}", f"compare={one},{other}") == text
    for words, line in (("nothing,lr0.1", "compare=nothing: no run of this name"), ("nf_,lr0.1", "3 runs have this")):
        with pytest.raises(UserError, match=line):
            runs(read_runs([f"runs_dir={three}", f"compare={words}"]))


def test_what_can_be_removed_is_told_and_removed_when_asked(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(three, tmp_path / "runs"))
    with pytest.raises(UserError, match=r"clean=checkpoints: nothing is removed without being asked; add yes=true"):
        runs(read_runs([f"runs_dir={folder}", "experiment=one", "clean=checkpoints"]))
    (final,) = (folder / "one").glob("*-s1-*/checkpoints/final.ckpt")
    size = final.stat().st_size
    assert f"of 1 run would free {size_text(size)}" in capsys.readouterr().out
    with RunDirectory(final.parent.parent).locked():
        assert runs(read_runs([f"runs_dir={folder}", "experiment=one", "clean=checkpoints", "yes=true"])) == 1
        assert "a process has it" in capsys.readouterr().out
    assert final.exists()
    assert f"{size_text(size)} are free now" in said(
        capsys, f"runs_dir={folder}", "experiment=one", "clean=checkpoints", "yes=true"
    )
    assert not final.exists()
    assert RunDirectory(final.parent.parent).finished_result() is not None, "its result stays"
    said(capsys, f"runs_dir={folder}", "experiment=one", "clean=failed", "yes=true")
    assert len(list((folder / "one").glob("nf_*"))) == 1
    assert "nothing to remove" in said(capsys, f"runs_dir={folder}", "experiment=one", "clean=failed")


def test_sizes_are_told_in_units() -> None:
    assert [size_text(size) for size in (0, 999, 1500, 25_000_000, 1.4e9)] == [
        "0 bytes", "999 bytes", "1.5 kB", "25 MB", "1.4 GB"
    ]  # fmt: skip
