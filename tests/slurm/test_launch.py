"""Sweeps through ``python train.py -m ... hydra/launcher=slurm`` on a real SLURM."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT, TINY, command_line
from tests.runs_on_disk import results

from normfree.slurm.queue import live_jobs

pytestmark = [pytest.mark.cli, pytest.mark.usefixtures("slurm")]

SLURM = ("-m", *TINY, "trainer=cpu", "hydra/launcher=slurm", "hydra.launcher.timeout_min=10")
ENDLESS = ("steps=100000", "optimizer.warmup_steps=2")


def jobs(folder: Path) -> list[str]:
    """Ids from the only manifest."""
    (manifest,) = folder.glob("*/_slurm/*/submission.json")
    return [each["job"] for each in json.loads(manifest.read_text(encoding="utf-8"))["jobs"]]


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def test_an_array_of_four(tmp_path: Path) -> None:
    words = (*SLURM, "seed=0,1,2,3", f"runs_dir={tmp_path}", "hydra.launcher.partition=main")
    answer = command_line("train.py", *words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {result["seed"] for result in results(tmp_path)} == {0, 1, 2, 3}
    numbers = jobs(tmp_path)
    number = numbers[0].partition("_")[0]
    assert numbers == [f"{number}_{task}" for task in range(4)]
    assert f"submitted job {number}: 4 runs" in answer.stdout
    assert "4 runs: " in answer.stdout
    environment = json.loads(next(tmp_path.glob("single/*/environment.json")).read_text(encoding="utf-8"))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert environment["commit"] == commit.stdout.strip()
    again = command_line("train.py", *words)
    assert again.returncode == 0
    assert "have their results" in again.stdout
    table = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path}", "all=true")
    assert table.returncode == 0
    assert all(job in table.stdout for job in numbers)


def test_what_fails_and_what_is_cancelled_is_told(tmp_path: Path) -> None:
    targets = "tests.train.own_clipping.broken,tests.train.own_clipping.halve"
    words = (*SLURM, *ENDLESS, "clip=custom", f"clip._target_={targets}", f"runs_dir={tmp_path}")
    process = subprocess.Popen(
        [sys.executable, "train.py", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: [path for path in tmp_path.glob("single/*halve*/metrics.csv") if path.stat().st_size > 1000])
    job = jobs(tmp_path)[1]
    subprocess.run(["scancel", job], check=True)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1, output + errors
    assert "2 runs: 1 failed, 1 preempted" in output
    assert "OutOfMemoryError: mine" in output
    assert "own_clipping.py" in output, "the traceback"
    assert "stopped by SIGTERM after step" in output
    assert f"job {job} ended as CANCELLED" in output
    table = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path}").stdout
    for part in ("own_clipping.py", "2 runs: 1 failed, 1 preempted", f"job {job} ended as CANCELLED", "retry=failed"):
        assert part in table
    again = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path}", "retry=failed")
    assert again.returncode == 0, again.stderr
    assert ": 1 run; code and configurations" in again.stdout
    (failed,) = (path for path in tmp_path.glob("single/*broken*/result.json"))
    wait_until(lambda: json.loads(failed.read_text(encoding="utf-8"))["attempts"] == 2)


def test_edits_do_not_reach_what_is_in_the_queue(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", project)
    variables = {"PYTHONPATH": str(project / "src")}
    own = project / "own_clipping.py"
    own.write_text("def keep(parameters):\n    pass\n", encoding="utf-8")

    def train(*words: str) -> str:
        words = (*SLURM, *words, "hydra.launcher.partition=held", "sweep.detach=true", "runs_dir=runs")
        answer = subprocess.run(
            [sys.executable, "train.py", *words],
            cwd=project, env={**os.environ, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    asked = ("seed=5", "clip=custom", "clip._target_=own_clipping.keep")
    assert "submitted job" in train(*asked)
    assert "1 run is in the queue already" in train(*asked)
    folder = project / "runs"
    (job,) = jobs(folder)
    table = command_line("runs.py", "experiment=single", f"runs_dir={folder}").stdout
    assert "queued" in table
    assert "pending: PartitionDown" in table
    for file in ("src/normfree/train/run.py", "src/normfree/slurm/job.py", "own_clipping.py"):
        (project / file).write_text("raise RuntimeError('edited')\n", encoding="utf-8")
    recipe = project / "conf/data_recipe/small.yaml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("base_lr", "nonsense"), encoding="utf-8")
    assert "nonsense" in recipe.read_text(encoding="utf-8")
    subprocess.run(["scontrol", "update", f"jobid={job}", "partition=main"], check=True)
    wait_until(lambda: results(folder))
    (result,) = results(folder)
    assert result["status"] in ("finished", "untrained"), result
    (path,) = folder.glob("single/_slurm/*/runs/*.yaml")
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["config"]["seed"] == 5


def test_a_job_cancelled_before_it_began_is_missing(tmp_path: Path) -> None:
    words = (*SLURM, "hydra.launcher.partition=held", "sweep.detach=true", f"runs_dir={tmp_path}", "seed=0,1")
    assert command_line("train.py", *words).returncode == 0
    job = jobs(tmp_path)[1]
    subprocess.run(["scancel", job], check=True)
    wait_until(lambda: job not in (live_jobs() or {}))
    table = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path}").stdout
    assert "2 runs: 1 queued, 1 missing" in table
    assert f"job {job} ended as CANCELLED before it began, without a result" in table


def test_ctrl_c_leaves_the_jobs(tmp_path: Path) -> None:
    words = (*SLURM, "hydra.launcher.partition=held", f"runs_dir={tmp_path}", "seed=0,1")
    process = subprocess.Popen(
        [sys.executable, "train.py", *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert any("2 queued" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "2 runs: 2 queued" in output
    number = jobs(tmp_path)[0].partition("_")[0]
    assert errors.splitlines() == [
        f"the jobs go on; see: python runs.py experiment=single runs_dir={tmp_path}    "
        f"draw: python report.py experiment=single runs_dir={tmp_path}    end: scancel {number}"
    ]
    assert set(jobs(tmp_path)) <= set(live_jobs() or {})


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["hydra.launcher.partition=mian"], "hydra.launcher.partition=mian: no such partition; there are: held, main"),
        (["hydra.launcher.constraint=h100"], "hydra/launcher=slurm: sbatch refuses: "),
        (
            ["clip=custom", "clip._target_=nowhere.halve"],
            "clip._target_=nowhere.halve: no module named nowhere; start where it can",
        ),
    ],
)
def test_what_the_cluster_refuses_is_one_line(words: list[str], line: str, tmp_path: Path) -> None:
    answer = command_line("train.py", *SLURM, "seed=0,1", f"runs_dir={tmp_path}", *words)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    assert line in answer.stderr
