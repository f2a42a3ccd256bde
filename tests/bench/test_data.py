"""The suite `data`: every loader is measured on the same images; bad input."""

import csv
import importlib.util
from pathlib import Path

import pytest
import torch
from tests.data.images import digits_as_parquet, encoded, write_parquet

from normfree.bench import summary
from normfree.bench.data import write_jpegs
from normfree.cli.main import run
from normfree.data.samples import FolderSamples, ParquetSamples

SMALL = ("size=28", "batch=4", "cifar_batch=4", "samples=4", "workers=1", "rounds=2")


def measured(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    with out.open(newline="") as file:
        return {(row["images"], row["loader"]): row for row in csv.DictReader(file)}


def test_the_same_jpeg_files_are_read(tmp_path: Path) -> None:
    digits_as_parquet(tmp_path)
    packed = ParquetSamples(sorted(tmp_path.glob("train-*.parquet")))
    write_jpegs(packed, tmp_path / "jpeg")
    files = FolderSamples(tmp_path / "jpeg")
    order = sorted(range(len(packed.labels)), key=lambda index: (int(packed.labels[index]), index))
    assert torch.equal(files.labels, packed.labels[order])
    assert [files.read(number) for number in range(len(order))] == [packed.read(index) for index in order]


@pytest.mark.skipif(importlib.util.find_spec("ffcv") is None, reason="ffcv is not installed: make ffcv")
def test_every_loader_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits_as_parquet(tmp_path / "photographs")
    out = tmp_path / "data-cpu.csv"
    assert run("bench", ["data", f"photographs={tmp_path / 'photographs'}", *SMALL, f"out={out}"]) == 0
    rows = measured(out)
    assert {loader for _, loader in rows} == {
        "torchvision ImageFolder",
        "torchvision ImageFolder, bicubic",
        "normfree workers, files",
        "normfree workers, parquet",
        "normfree ffcv",
    }
    for row in rows.values():
        assert float(row["value"]) > 0
        assert float(row["per_cpu_second"]) > 0
    assert float(rows["photographs", "torchvision ImageFolder"]["over"]) == 1
    assert "x per CPU second, torchvision ImageFolder" in capsys.readouterr().out


def test_without_ffcv_its_rows_are_left_out_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ffcv" else find(name))
    contents, labels = encoded(count=8)
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}-0.parquet", contents, labels, column="img")
    out = tmp_path / "data-cpu.csv"
    both = [f"photographs={tmp_path}", f"cifar10={tmp_path}"]
    assert run("bench", ["data", *both, *SMALL, f"out={out}"]) == 0
    assert "ffcv is not installed: its rows are left out; run make ffcv to have them" in capsys.readouterr().out
    rows = measured(out)
    assert ("photographs", "normfree ffcv") not in rows
    assert {loader for images, loader in rows if images == "cifar10"} == {
        "torchvision CIFAR10",
        "normfree workers",
        "normfree resident",
    }
    page = summary.page(tmp_path)
    assert "## Loading images, CPU" in page
    assert "| cifar10 | normfree resident | 32 | 4 |" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "photographs=null cifar10=null: give at least one of them"),
        (["photographs=nowhere"], "data.root=nowhere: there is no file or folder "),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["data", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
