"""Searches that train: killed in the middle, by two processes on one journal, and what their commands say."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.conftest import ROOT, TINY, command_line

pytestmark = pytest.mark.cli
NUMBER = 6
EXPERIMENT = f"""\
# @package _global_
# Question: does a search go on?
hydra: {{mode: MULTIRUN}}
experiment:
  name: tiny
  question: Does a search go on?
  trials:
    base: model=nfnet_nano clip=agc model.width=[8,8,8]
    space:
      model.depth: [[1, 1, 1], [1, 2, 1]]
      model.group_size: [2, 4]
      model.activation: [relu, silu]
    latency: {{budget_ms: 1000, batch: 4, rounds: 3}}
    number: {NUMBER}
    startup: 3
    short: {{share: 0.5, after: 3}}
    rerun: {{members: 1, seeds: "0,1"}}
    beside: ["model=resnet20 clip=none model.width=[4,4,4]"]
  series:
    found: {{label: found, where: {{grids: front}}}}
    bn: {{label: BatchNorm, where: {{grids: beside}}}}
  panels:
    pareto: {{kind: pareto, title: Front}}
    history: {{kind: trials_over, title: History, x: trial}}
    depth: {{kind: trials_over, title: Depth, x: model.depth}}
"""
WORDS = ("-m", "experiment=tiny", "hydra.launcher.workers=1", "trainer=cpu", *TINY[:2], "steps=20")


def begun(folder: Path, start: Callable[..., Any] = warm.Popen) -> "subprocess.Popen[str]":
    """The command of a search, in a process of its own."""
    return start(
        [sys.executable, str(ROOT / "train.py"), *WORDS],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def trials(folder: Path) -> list[dict[str, str]]:
    path = folder / "runs" / "tiny" / "trials.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


def whole(folder: Path) -> None:
    """As many trials as were asked for, each once and ended, and every run with its result."""
    found = trials(folder)
    assert [int(row["trial"]) for row in found] == list(range(NUMBER))
    assert {row["outcome"] for row in found} <= {"finished", "pruned", "untrained", "diverged"}
    names = [tuple(row[key] for key in ("model.depth", "model.group_size", "model.activation")) for row in found]
    assert len(set(names)) == NUMBER, "none twice"
    runs = folder / "runs" / "tiny"
    assert all(row["short_run_id"] and (runs / row["short_run_id"] / "result.json").is_file() for row in found)
    plan = json.loads((runs / "sweep.json").read_text())
    further = [run for run in plan["runs"] if "front" in run["grids"] or "beside" in run["grids"]]
    assert len(further) in (2, 4)
    assert all((runs / run["run_id"] / "result.json").is_file() for run in plan["runs"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.yaml").write_text(EXPERIMENT)
    return tmp_path


def test_a_search_that_was_killed_goes_on_and_is_drawn(folder: Path) -> None:
    first = begun(folder, subprocess.Popen)
    deadline = time.monotonic() + 300
    while len(trials(folder)) < 3 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.kill()
    first.wait()
    assert first.stdout is not None
    first.stdout.close()
    before = trials(folder)
    assert 3 <= len(before) < NUMBER
    again = command_line("train.py", *WORDS, cwd=folder)
    assert again.returncode == 0, again.stdout + again.stderr
    whole(folder)
    ended = [row for row in before if row["outcome"] != "running"]
    assert trials(folder)[: len(ended)] == ended, "what was told stays"
    assert len([line for line in again.stdout.splitlines() if line.startswith("trial ")]) == NUMBER - len(ended)
    drawn = command_line("report.py", "experiment=tiny", cwd=folder)
    assert drawn.returncode == 0, drawn.stdout + drawn.stderr
    page = (folder / "reports" / "tiny" / "report.md").read_text()
    assert "## Trials" in page
    assert f"| all | {NUMBER} |" in page
    checked = command_line("report.py", "experiment=tiny", "runs_dir=elsewhere", "check=true", cwd=folder)
    assert checked.returncode == 2, "who names a folder of runs asks for those"
    (folder / "runs").rename(folder / "moved")
    checked = command_line("report.py", "experiment=tiny", "check=true", cwd=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_two_processes_share_the_trials_of_one_journal(folder: Path) -> None:
    both = [begun(folder) for _ in range(2)]
    said = [each.communicate(timeout=400)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    whole(folder)
    lines = [[line for line in text.splitlines() if line.startswith("trial ")] for text in said]
    assert len(lines[0]) + len(lines[1]) == NUMBER
    assert lines[0]
    assert lines[1]


def test_ctrl_c_ends_it_and_the_plan_tells_the_whole(folder: Path) -> None:
    plan = command_line("train.py", *WORDS, "plan=true", cwd=folder)
    assert plan.returncode == 0, plan.stderr
    assert "search: 6 trials of model.depth (2), model.group_size (2), model.activation (2)" in plan.stdout
    assert not (folder / "runs").exists()
    first = begun(folder)
    deadline = time.monotonic() + 300
    while not trials(folder) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    said = first.communicate(timeout=60)[0]
    assert first.returncode == 130, said
    assert "the same command goes on" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("model.depth=[1,1,1]",), "model.depth: is in experiment.trials.space; leave it out"),
        (("lr=0.1,0.2",), "lr=0.1,0.2: a search over experiment.trials takes one value a key"),
        (("hydra/launcher=slurm",), "hydra/launcher=slurm: a search proposes trials from those before"),
        (("experiment.trials.number=99",), "experiment.trials.number=99: the space has 8 combinations"),
        (("experiment.trials.latency.budget_ms=0.0001",), "budget_ms=0.0001: none of 3 networks of the space meets it"),
    ],
)
def test_one_line_tells_what_is_wrong(folder: Path, words: tuple[str, ...], told: str) -> None:
    usual = [word for word in WORDS if "hydra/launcher=slurm" not in words or not word.startswith("hydra.")]
    answer = command_line("train.py", *usual, *words, cwd=folder)
    assert answer.returncode == 2
    (line,) = answer.stderr.strip().splitlines()
    assert told in line
    assert not (folder / "runs" / "tiny" / "trials.csv").exists()
