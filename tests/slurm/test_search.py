"""A sweep that looks for edges on a real SLURM: every round is a submission, and the next waits for its jobs."""

import json
from pathlib import Path

import pytest
from tests.conftest import TINY, command_line
from tests.sweep.test_search import EXPERIMENT

pytestmark = [pytest.mark.cli, pytest.mark.usefixtures("slurm")]


def test_rounds_are_jobs(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "edge.yaml").write_text(EXPERIMENT)
    words = ("experiment=edge", *TINY, "trainer=cpu", "hydra/launcher=slurm", "hydra.launcher.timeout_min=10")
    first, again = (command_line("train.py", *words, cwd=tmp_path, timeout=300) for _ in range(2))
    assert first.returncode == again.returncode == 1, first.stdout + first.stderr
    assert "search.lr: all seed=0: still trains at the upper end of lr from 0.01 to 0.02; give to: 0.32" in first.stderr
    assert "all 7 runs of edge have their results" in again.stdout
    manifests = sorted((tmp_path / "runs" / "edge" / "_slurm").glob("*/submission.json"))
    sent = [len(json.loads(each.read_text(encoding="utf-8"))["jobs"]) for each in manifests]
    assert len(sent) > 1
    assert sum(sent) == 7
    assert first.stdout.count("search, round ") == len(sent)
