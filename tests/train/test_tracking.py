"""W&B against a server: what it is sent, and what a server that does not answer costs."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.train.wandb_server import WandbServer

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
    first = server.runs[0]
    assert (first["displayName"], first["groupName"], first["project"]) == (result["run_id"], "single", "mine")
    assert first["tags"] == ["one", "two"]
    assert json.loads(first["config"])["batch"]["value"] == 50
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
