"""The sweep's benchmark: both launchers train every run, and both are measured."""

import csv
from pathlib import Path

import pytest

from normfree.cli.main import run


def test_both_launchers_train_the_same_cells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sweep-cpu.csv"
    overrides = "overrides=seed=0,steps=4,optimizer.warmup_steps=1,data.train_size=7"
    assert run("bench", ["sweep", overrides, f"out={out}"]) == 0, capsys.readouterr().err
    with out.open(newline="", encoding="utf-8") as file:
        rows = {row["launcher"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {"basic", "pool"}
    assert {row["runs"] for row in rows.values()} == {"29"}
    assert {row["steps_done"] for row in rows.values()} == {"116"}
    assert float(rows["basic"]["ratio"]) == 1
    assert float(rows["pool"]["value"]) > 0


def test_a_sweep_that_cannot_start_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["sweep", "experiment=quickstrat", f"out={tmp_path / 'sweep.csv'}"]) == 2
    assert "failed" in capsys.readouterr().err
