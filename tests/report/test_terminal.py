"""What a report prints: all of few arms, the best of many, and of a check its result alone."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.report import synthetic
from tests.report.conftest import FIXTURES

from normfree.report.build import first_lines
from normfree.report.command import ReportKeys, report
from normfree.report.terminal import MOST_LINES, show
from normfree.study import Collection, Experiment, Study, collect, judge
from normfree.study.experiment import parse_experiment


def printed(study: Study) -> str:
    said = StringIO()
    show(Console(file=said, width=100), study, judge(study.experiment, study.tested))
    return said.getvalue()


def test_few_arms_are_printed_all(experiment: Experiment, collection: Collection) -> None:
    said = printed(Study(experiment, collection))
    assert said.count("NF-ResNet, no clipping") >= 1
    assert "more in report.html" not in said


def test_of_many_the_best_of_each_panel(tmp_path: Path) -> None:
    rates = [0.1 * 2**power for power in range(20)]
    runs = [synthetic.made("resnet20", "none", batch, lr, 0, 64, ["g"]) for batch in (16, 64) for lr in rates]
    synthetic.write(runs, tmp_path / "exp")
    panels = {
        f"b{batch}": {"kind": "accuracy_over", "title": f"Batch {batch}", "x": "lr", "where": {"batch": batch}}
        for batch in (16, 64)
    }
    study = Study(parse_experiment({"panels": panels}, "exp"), collect("exp", tmp_path))
    said = printed(study)
    assert len(said.splitlines()) <= MOST_LINES
    assert "The best arms of each panel; 22 more in report.html" in said
    part = said.partition("Batch 64")[0].splitlines()
    shown = [float(line.split()[-2]) for line in part if line.endswith("1/1")][:9]
    table = study.table[study.table["batch.global"] == 16]
    assert shown == [round(100 * value, 1) for value in sorted(table["test/accuracy"], reverse=True)[:9]]


def test_a_ladder_is_one_arm_a_series(tmp_path: Path) -> None:
    runs = [
        synthetic.made(model, "none", 16, 0.1, seed, 64, ["g"])
        for model in ("resnet20", "nf_resnet20")
        for seed in (0, 1)
    ]
    synthetic.write(runs, tmp_path / "exp")
    series = {model: {"label": model.upper(), "where": {"model": model}} for model in ("resnet20", "nf_resnet20")}
    panels = {"chosen": {"kind": "ladder", "title": "Each at its rate", "series": list(series)}}
    said = printed(Study(parse_experiment({"panels": panels, "series": series}, "exp"), collect("exp", tmp_path)))
    lines = said.partition("Each at its rate")[2].splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["RESNET20", "NF_RESNET20"]
    assert all("2/2" in line for line in lines[2:4])


def test_a_check_prints_its_result_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {
        "experiment": "demo",
        "experiments_dir": str(FIXTURES / "experiments"),
        "runs_dir": str(FIXTURES / "sweeps"),
        "reports_dir": str(tmp_path),
    }
    assert report(ReportKeys(**keys)) == 0  # type: ignore[arg-type]
    assert "Batch 64" in capsys.readouterr().out
    assert report(ReportKeys(**keys, check=True)) == 0  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path}/demo is what the runs give (figures are left out)"]


def test_a_long_line_is_told_where_it_differs(tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("a\n" + "b" * 300 + "c\n")
    told = first_lines({"report.md": b"a\n" + b"b" * 300 + b"d\n"}, tmp_path, ["report.md"])
    assert told[0].startswith("  report.md, line 2: '...bb")
    assert "bc' is stored" in told[0]
    assert "bd' is made" in told[0]
