"""W&B against a server: what it is sent, and what a server that does not answer costs."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.train.record.wandb_server import WandbServer

from normfree.runs.offline import how_to_sync_all

pytest.importorskip("wandb")

TIMEOUT = 4.0
SLACK = 20.0
"""A loaded machine is slow; W&B left to itself holds a process for minutes."""


def start(server: WandbServer, runs: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(ROOT / "train.py"), "model=resnet20", "clip=none", "data.train_size=7", "batch=50"]
    command += ["trainer.log_every=2", "logger=wandb", f"runs_dir={runs}", *options]
    environment = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "a" * 40, "HOME": str(runs)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=runs
    )


def end(process: "subprocess.Popen[str]", runs: Path) -> tuple[str, dict[str, Any]]:
    """What it said on stderr, and its result; the process ends soon after that is written."""
    _, said = process.communicate(timeout=180)
    ended = time.time()
    assert process.returncode == 0, said
    (path,) = runs.rglob("result.json")
    assert ended - path.stat().st_mtime < TIMEOUT + SLACK
    return said, json.loads(path.read_text(encoding="utf-8"))


def test_history_is_metrics_csv(tmp_path: Path) -> None:
    with WandbServer() as server:
        options = ("steps=8", "optimizer.warmup_steps=2", "logger.tags=[one,two]", "logger.project=mine")
        said, result = end(start(server, tmp_path, *options), tmp_path)
    assert "W&B" not in said
    (path,) = tmp_path.rglob("metrics.csv")
    with path.open(newline="", encoding="utf-8") as file:
        written: dict[int, dict[str, float]] = {}
        for row in csv.DictReader(file):
            numbers = {key: float(value) for key, value in row.items() if value}
            written.setdefault(int(numbers["step"]), {}).update(numbers)
    sent = {step: {key: row[key] for key in row if not key.startswith("_")} for step, row in server.history.items()}
    assert {step: {key: float(value) for key, value in row.items()} for step, row in sent.items()} == written
    first, config = server.runs[0], {key: item["value"] for key, item in json.loads(server.runs[0]["config"]).items()}
    assert (first["displayName"], first["groupName"], first["project"]) == (result["run_id"], "single", "mine")
    assert (first["tags"], first["jobType"]) == (["one", "two"], "train")
    assert (config["batch"], config["norm_batch"], config["steps"], config["lr"]) == (50, 50, 8, result["lr"])
    assert (config["run_id"], config["arm_id"]) == (result["run_id"], result["arm_id"])
    assert config["commit"] == result["provenance"]["commit"]
    assert server.exit_code == 0
    assert (server.summary["status"], server.summary["steps_done"]) == (result["status"], 8)
    assert server.summary["test/accuracy"] == result["metrics"]["test/accuracy"]
    dependence = {key: server.summary[f"batch_dependence/{key}"] for key in result["batch_dependence"]}
    assert dependence == result["batch_dependence"]
    assert first["name"] == next(tmp_path.rglob("wandb_id")).read_text(encoding="utf-8")


def test_a_server_that_never_answers_costs_a_warning(tmp_path: Path) -> None:
    with WandbServer(silent=True) as server:
        options = ("steps=8", "optimizer.warmup_steps=2", f"logger.timeout={TIMEOUT}")
        said, result = end(start(server, tmp_path, *options), tmp_path)
    assert said.count("W&B is not available") == 1
    assert result["steps_done"] == 8


def test_a_server_that_dies_in_the_middle_costs_a_warning(tmp_path: Path) -> None:
    with WandbServer() as server:
        process = start(server, tmp_path, "steps=60", f"logger.timeout={TIMEOUT}")
        assert server.streamed.wait(120)
        server.silent.set()
        said, result = end(process, tmp_path)
    assert said.count("W&B is not available (no answer within") == 1
    assert result["steps_done"] == 60


def test_a_diverged_run_is_marked(tmp_path: Path) -> None:
    with WandbServer() as server:
        tag = "a tag of more than the sixty-four characters that W&B takes of each of them, with an end"
        options = ("steps=8", "optimizer.warmup_steps=2", "lr=1e30", f"logger.tags=['{tag}']")
        said, result = end(start(server, tmp_path, *options), tmp_path)
    assert result["status"] == "diverged"
    assert (server.summary["status"], server.summary["reason"]) == ("diverged", result["reason"])
    assert server.exit_code == 1
    last = [run["tags"] for run in server.runs if run.get("tags")][-1]
    assert last == [f"{tag[:52]}...{tag[-9:]}", "diverged"]
    assert said.count("logger.tags: W&B takes 64 characters") == 1


def test_a_resumed_offline_run_is_whole_in_its_newest_folder(tmp_path: Path) -> None:
    """The command that is printed sends every row of metrics.csv to a server."""
    offline = [
        sys.executable,
        str(ROOT / "train.py"),
        "data.train_size=7",
        "batch=50",
        "steps=40",
        "trainer.log_every=2",
    ]
    offline += ["logger=wandb", "logger.mode=offline", f"runs_dir={tmp_path / 'runs'}"]
    process = subprocess.Popen(
        [*offline, "trainer.checkpoint_minutes=0.0001"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
    )  # fmt: skip
    metrics = wait_for_rows(tmp_path, 4)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    done = subprocess.run(offline, capture_output=True, text=True, timeout=180, check=True)
    run = metrics.parent
    assert len(list((run / "wandb").glob("offline-run-*"))) == 2
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("W&B, offline: ")]
    of_a_sweep = how_to_sync_all(run.parent)
    with WandbServer() as server, WandbServer() as another:
        sync(line.removeprefix("W&B, offline: "), server, tmp_path)
        for sent in (run / "wandb").glob("*/*.wandb.sync*"):
            sent.unlink()
        sync(of_a_sweep, another, tmp_path)
    assert another.history.keys() == server.history.keys()
    with metrics.open(newline="", encoding="utf-8") as file:
        steps = {int(row["step"]) for row in csv.DictReader(file)}
    assert set(server.history) == steps == set(range(2, 41, 2))
    names = [{key for key in server.history[step] if not key.startswith("_")} for step in (2, 38)]
    assert names[0] == names[1] >= {"train/loss", "clip/clipped_share_stem", "clip/ratio_q50"}
    assert server.summary["status"] == json.loads((run / "result.json").read_text(encoding="utf-8"))["status"]


def sync(command: str, server: WandbServer, home: Path) -> None:
    """As typed into a shell, with this environment's W&B."""
    environment = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": "a" * 40, "HOME": str(home)}
    typed = f"{shlex.quote(sys.executable)} -m {command}"
    subprocess.run(typed, shell=True, env=environment, cwd=home, check=True, capture_output=True, timeout=120)


def wait_for_rows(folder: Path, count: int) -> Path:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for path in folder.rglob("metrics.csv"):
            if len(path.read_text(encoding="utf-8").splitlines()) > count:
                return path
        time.sleep(0.02)
    raise AssertionError("no rows")
