"""A network, data set and optimizer of the user's own in a job: as they were when it was submitted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.runs_on_disk import results
from tests.slurm.test_launch import SLURM, jobs, wait_until

pytestmark = [pytest.mark.cli, pytest.mark.usefixtures("slurm")]

MINE = {
    "my_layers.py": """
from torch import nn


def activation():
    return nn.Tanh()
""",
    "my_nets.py": """
from my_layers import activation
from torch import nn


class Plain(nn.Sequential):
    def __init__(self, num_classes, in_channels, width=4):
        body = [nn.Conv2d(in_channels, width, 3), activation(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        super().__init__(*body, nn.Linear(4 * width, num_classes))
""",
    "my_data.py": """
import torch


class Stripes:
    def __init__(self, split):
        self.count = {"train": 200, "test": 50}[split]

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = torch.zeros(1, 8, 8, dtype=torch.uint8)
        image[0, index % 2 :: 2] = 100 + index % 100
        return image, index % 2
""",
    "my_optim.py": """
import torch


class Plodding(torch.optim.SGD):
    pass
""",
}
WORDS = (
    "model=custom", "model._target_=my_nets.Plain", "model.arguments={width: 6}",
    "data=custom", "data._target_=my_data.Stripes", "data.train_size=8", "epochs=null",
    "optimizer=custom", "optimizer._target_=my_optim.Plodding", "optimizer.warmup_steps=2", "lr=0.1",
    "batch=20", "steps=30", "clip=none",
)  # fmt: skip


def test_edits_do_not_reach_them(tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", project)
    for name, text in MINE.items():
        (project / name).write_text(text, encoding="utf-8")
    words = (
        "-m",
        *SLURM[len(SLURM) - 3 :],
        *WORDS,
        "hydra.launcher.partition=held",
        "sweep.detach=true",
        "runs_dir=runs",
    )
    answer = subprocess.run(
        [sys.executable, "train.py", *words],
        cwd=project, env={**os.environ, "PYTHONPATH": str(project / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    for name in MINE:
        (project / name).write_text("raise RuntimeError('edited')\n", encoding="utf-8")
    (job,) = jobs(project / "runs")
    subprocess.run(["scontrol", "update", f"jobid={job}", "partition=main"], check=True)
    wait_until(lambda: results(project / "runs"), 120)
    (result,) = results(project / "runs")
    assert result["status"] in ("finished", "untrained"), result
    assert result["run_id"].startswith("Plain-")
    assert (result["data"]["train"], result["data"]["test"], result["data"]["classes"]) == (180, 50, 2)
    (run,) = (project / "runs").glob("single/Plain-*")
    kept = {path.name: path.read_text(encoding="utf-8") for path in (run / "attempts/1/own_code").glob("*.py")}
    assert kept == MINE
