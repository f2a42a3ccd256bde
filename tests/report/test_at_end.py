"""What a sweep ends with: its accuracies in a small table, and the command of the report."""

from pathlib import Path

import pytest
from rich.console import Console
from tests.report import synthetic

from normfree.report.at_end import accuracies, show_accuracies


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("end") / "mine"
    made = [
        synthetic.made(model, "none", 64, lr, seed, 64 if model == "resnet20" else None, [])
        for model in ("resnet20", "nf_resnet20")
        for lr in (0.1, 0.4, 1.6)
        for seed in range(3)
    ]
    synthetic.write(made, folder)
    return folder


def printed(folder: Path, runs: list[str]) -> str:
    table = accuracies(folder, runs)
    assert table is not None
    console = Console(width=100)
    with console.capture() as said:
        console.print(table)
    return said.get()


def test_a_row_a_series_and_a_column_a_value(folder: Path) -> None:
    said = printed(folder, sorted(path.name for path in folder.iterdir() if path.is_dir()))
    assert said.splitlines()[0].split()[-3:] == ["0.1", "0.4", "1.6"]
    assert "✕3/3" in said
    assert "±" in said


def test_only_the_runs_of_the_sweep(folder: Path) -> None:
    said = printed(folder, [path.name for path in folder.iterdir() if path.name.startswith("resnet20")])
    assert "nf_resnet20" not in said


def test_the_command_is_told_with_the_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_accuracies(folder, [])
    assert capsys.readouterr().out == f"report: python report.py experiment=mine runs_dir={folder.parent}\n"
