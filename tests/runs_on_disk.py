"""What tests read of runs that are on the disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch

from normfree.config import Resolved
from normfree.runs import RunDirectory


def place_of(run: Resolved | Path) -> RunDirectory:
    """The directory of a run that is given by its configuration or by its path."""
    return RunDirectory(run) if isinstance(run, Path) else RunDirectory.of(run)


def weights(run: Resolved | Path) -> dict[str, torch.Tensor]:
    """The state dict of the last step."""
    path = place_of(run).checkpoints / "final.ckpt"
    state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return state


def rows(run: Resolved | Path) -> list[dict[str, str]]:
    """``metrics.csv``."""
    with place_of(run).metrics.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lines_without_speed(run: Resolved | Path) -> list[str]:
    """``metrics.csv`` without its last column, the speed: the same in two runs that are the same."""
    lines = place_of(run).metrics.read_text(encoding="utf-8").splitlines()
    return [line.rsplit(",", 1)[0] for line in lines]


def results(folder: Path) -> list[dict[str, Any]]:
    """Every ``result.json`` below a folder, in the order of their paths."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("result.json"))]
