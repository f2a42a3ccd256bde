"""The benchmark command: its options, its file, and one real measurement."""

import csv
from pathlib import Path

import pytest
import torch

from normfree.bench.rows import Table
from normfree.cli.main import run
from normfree.probe.timing import Spread, interleave, ratios

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nts"], "nts: no such suite"),
        (["nets", "modls=resnet50"], "modls=resnet50: no such key"),
        (["nets", "rounds=0"], "rounds=0: give a whole number"),
        (["nets", "form=maybe"], "form=maybe: choose from eager, captured, compiled"),
        (["nets", "layout=nhcw"], "layout=nhcw: choose from nchw, nhwc"),
        (["nets", "models=nfnet_nano"], "models=nfnet_nano: has no peer"),
        (["nets", "models"], "models: give key=value"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_help_names_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["--help"]) == 0
    assert run("bench", ["nets", "--help"]) == 0
    assert "infer_batch" in capsys.readouterr().out


def test_every_round_runs_every_case_and_the_order_rotates() -> None:
    calls: list[str] = []
    cases = {name: lambda name=name: calls.append(name) for name in ("a", "b", "c")}  # type: ignore[misc]
    seconds = interleave(cases, rounds=3, device=CPU, clock="wall", warmup=0)
    assert calls == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert all(len(values) == 3 for values in seconds.values())
    assert ratios([2.0, 3.0], [1.0, 2.0]) == [2.0, 1.5]
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(3.0, 2.0, 4.0)


def test_a_row_replaces_the_one_of_the_same_case(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for value in (1.0, 2.0):
        table = Table(path, ("case", "value"), ("case",), CPU)
        table.write({"case": "first", "value": value})
        table.write({"case": f"of {value}", "value": value})
    with path.open(newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert {case: row["value"] for case, row in rows.items()} == {"first": "2", "of 1.0": "1", "of 2.0": "2"}
    assert all(row["device"].startswith("CPU") and row["torch"] and row["commit"] for row in rows.values())


def test_a_file_with_other_columns_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    assert run("bench", ["nets", f"out={path}"]) == 2
    assert "has other columns" in capsys.readouterr().err
    assert path.read_text() == "a,b\n1,2\n"


def test_networks_are_measured_beside_their_peers(tmp_path: Path) -> None:
    path = tmp_path / "nets.csv"
    threads = torch.get_num_threads()
    try:
        arguments = ["models=nf_resnet50", "image_size=32", "batch=2", "infer_batch=1", "rounds=1", "layout=nchw"]
        assert run("bench", ["nets", *arguments, f"out={path}"]) == 0
    finally:
        torch.set_num_threads(threads)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["what"], row["form"], row["subject"]) for row in rows] == [
        ("traffic", "eager", "normfree"),
        ("traffic", "eager", "timm nf_resnet50"),
        ("infer", "folded eager", "normfree"),
        ("infer", "eager", "normfree"),
        ("infer", "eager", "timm nf_resnet50"),
        ("train", "eager", "normfree"),
        ("train", "eager", "timm nf_resnet50"),
        ("memory", "eager", "normfree"),
        ("memory", "eager", "timm nf_resnet50"),
    ]
    assert all(float(row["value"]) > 0 for row in rows)
    # The gradients of 25.6 million weights are in the peak.
    assert all(float(row["value"]) > 25.5e6 * 4 / 2**20 for row in rows if row["what"] == "memory")


def test_the_page_shows_what_was_measured_and_what_was_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["summary", f"folder={tmp_path}"]) == 2
    assert "has no CSV file" in capsys.readouterr().err
    assert (
        run(
            "bench", ["nets", "models=nf_resnet50", "what=traffic", "image_size=64", f"out={tmp_path / 'nets-cpu.csv'}"]
        )
        == 0
    )
    assert run("bench", ["summary", f"folder={tmp_path}"]) == 0
    text = (tmp_path / "README.md").read_text()
    (row,) = [line for line in text.splitlines() if line.startswith("| nf_resnet50")]
    assert row.startswith("| nf_resnet50 | traffic | eager | bf16 |")
    assert "timm nf_resnet50" in row
    assert "Not measured: no GPU was at hand." in text
