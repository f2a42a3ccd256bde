"""A stored report is enough to make it again: its rows come back as they were, and so do tables and text."""

import io
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.report import synthetic
from tests.report.conftest import FIXTURES

from normfree.config.errors import UserError
from normfree.config.experiment_sizes import file_of
from normfree.report.build import differences, render, write
from normfree.report.tables import csv, runs_table
from normfree.study import Study, collect, judge, load_experiment
from normfree.study.experiment import parse_experiment
from normfree.study.opened import opened
from normfree.study.stored import ROWS, stored

ROOT = Path(__file__).parents[2]
COMMITTED = sorted(path.parent.name for path in (ROOT / "reports").glob(f"*/{ROWS}"))


@pytest.mark.parametrize("name", COMMITTED)
def test_rows_of_committed_reports_come_back_as_they_are(name: str) -> None:
    """But for the series, which are those of the experiment file of today."""
    report = ROOT / "reports" / name
    study = opened(name, [ROOT / "experiments"], ROOT / "no_runs", ROOT / "reports")
    assert study.collection.is_stored
    made, kept = (
        pd.read_csv(source, dtype=str).drop(columns="series")
        for source in (io.BytesIO(csv(runs_table(study))), report / ROWS)
    )
    pd.testing.assert_frame_equal(made, kept)


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_report_is_of_the_experiment_file_of_today(name: str) -> None:
    """Else `check=true` finds a difference: make the report again from its rows."""
    page = (ROOT / "reports" / name / "report.md").read_text(encoding="utf-8")
    path, _, _ = file_of(name, [ROOT / "experiments"]) or (None, "", "")
    assert path is not None
    assert f"experiment file sha256 `{sha256(path.read_bytes()).hexdigest()[:16]}`" in page


def test_a_report_is_made_again_without_its_runs(tmp_path: Path) -> None:
    folders = [FIXTURES / "experiments"]
    first = opened("demo", folders, FIXTURES / "sweeps")
    files = render(first, judge(first.experiment, first.collection.table))
    write(files, tmp_path / "demo")
    again = opened("demo", folders, tmp_path / "none", tmp_path)
    assert again.collection.is_stored
    assert not first.collection.is_stored
    made = render(again, judge(again.experiment, again.collection.table))
    assert differences(made, tmp_path / "demo") == []
    assert {name for name in files if made[name] != files[name]} == set()


def test_runs_come_before_stored_rows(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / ROWS).write_text("run_id,arm_id\nx,y\n")
    assert not opened("demo", [FIXTURES / "experiments"], FIXTURES / "sweeps", tmp_path).collection.is_stored


@pytest.mark.parametrize(("content", "said"), [("", "rows without"), ("a,b\n1,2\n", "rows without")])
def test_rows_that_are_none_are_one_line(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / ROWS).write_text(content)
    with pytest.raises(UserError, match=said):
        stored(tmp_path)


def test_texts_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    """A digest of digits alone is no number, and one with an e in it is not infinite."""
    rows = pd.DataFrame(
        {
            "run_id": ["a", "b"],
            "arm_id": ["12345678", "30e26511"],
            "seed": [0, 1],
            "status": ["finished"] * 2,
            "lr": [0.1, 1e-05],
            "stalled": [True, None],
            "clip.eps": [0.001, None],
            "data.digest": ["007", "1e5"],
        }
    )
    (tmp_path / ROWS).write_bytes(csv(rows))
    table = stored(tmp_path).table
    assert table["arm_id"].tolist() == ["12345678", "30e26511"]
    assert table["data.digest"].tolist() == ["007", "1e5"]
    np.testing.assert_array_equal(table["lr"], [0.1, 1e-05])
    assert table["stalled"].tolist() == [True, None]
    assert table["clip.eps"].tolist() == [0.001, None]


def test_figures_of_runs_that_are_kept_nowhere_stay_as_they_are(tmp_path: Path) -> None:
    experiment = load_experiment("demo", FIXTURES / "experiments")
    first = opened("demo", [FIXTURES / "experiments"], FIXTURES / "sweeps")
    write(render(first, judge(experiment, first.collection.table)), tmp_path / "demo")
    (tmp_path / "demo" / "curves.csv.gz").unlink()
    (tmp_path / "demo" / "figures" / "curves.png").write_bytes(b"the old one")
    again = Study(experiment, stored(tmp_path / "demo"))
    assert render(again, [])["figures/curves.png"] == b"the old one"


def test_factors_that_a_file_names_are_kept_also_where_they_are_the_same(tmp_path: Path) -> None:
    """Or a stored report could not be made again."""
    made = [synthetic.made("resnet20", "none", 64, lr, 0, 64, ["g"]) for lr in (0.1, 0.4)]
    synthetic.write(made, tmp_path / "exp")
    found = collect("exp", tmp_path)
    table = found.table.assign(**{"data.train_size": 10, "data.mirror": False})
    whole = replace(found, table=table, unrecorded=("data.train_size", "data.mirror"))
    content = {"panels": {"p": {"kind": "accuracy_over", "x": "lr", "where": {"data.train_size": 10}}}}
    kept = runs_table(Study(parse_experiment(content, "exp"), whole))
    assert "data.train_size" in kept
    assert "data.mirror" not in kept
