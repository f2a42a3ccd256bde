"""What is measured on a GPU is rehearsed on the processor, from a copy without .git."""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import ROOT
from tests.data.images import write_parquet
from tests.warm_tree import Tree, copy

COPIED = ("bench.py", "train.py", "report.py", "conf", "experiments", "pyproject.toml", "scripts", "src")
COMMIT = "0123456789" * 4


def session(
    place: Path, *parts: str, interpreter: str | Path = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "REHEARSAL"}
    return subprocess.run(
        ["bash", "scripts/gpu_session.sh", *parts],
        cwd=place,
        env={**environment, "PYTHON": str(interpreter), "NORMFREE_COMMIT": COMMIT, **variables},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with Tree(copy(tmp_path_factory.mktemp("tree"), COPIED)) as tree:
        yield tree


def rehearsal(tree: Tree, part: str, out: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return session(tree.place, part, interpreter=tree.interpreter, OUT=str(out), REHEARSAL="1", **variables)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy(tmp_path / "checkout", COPIED)


def test_no_such_part() -> None:
    answer = session(ROOT, "clips")
    assert answer.returncode == 2
    assert "clips: no such part; there are: tests clip nets" in answer.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(tmp_path: Path) -> None:
    answer = session(ROOT, "clip", OUT=str(tmp_path / "out"))
    assert answer.returncode == 2
    assert "torch sees no GPU here; nothing was measured" in answer.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("part", "file", "rows"),
    [("clip", "clip-gpu.csv", 18), ("nets", "nets-gpu.csv", 12), ("compiled", "nets-gpu.csv", 4),
     ("latency", "nets-gpu.csv", 4), ("figure", "latency-gpu.csv", 1), ("race", "train-gpu.csv", 4),
     ("together", "together-gpu.csv", 10)],
)  # fmt: skip
def test_a_measurement(tree: Tree, tmp_path: Path, part: str, file: str, rows: int) -> None:
    answer = rehearsal(tree, part, tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    with (tmp_path / "out" / file).open(newline="", encoding="utf-8") as opened:
        found = list(csv.DictReader(opened))
    assert len(found) >= rows
    assert {row["commit"] for row in found} == {COMMIT}


def test_the_quickstart_and_its_report(tree: Tree, tmp_path: Path) -> None:
    answer = rehearsal(tree, "sweep", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "out" / "runs").glob("*/*/result.json"))) >= 1
    assert list((tmp_path / "out" / "reports").rglob("*.md"))


def test_the_speed_run_and_its_report(tree: Tree, tmp_path: Path) -> None:
    """Every seed that follows the first ones goes on with the same runs."""
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    images = [_png(colour) for colour in range(len(names))]
    for split, count in (("train", 50_000), ("test", 10_000)):
        labels = [number % len(names) for number in range(count)]
        file = tmp_path / "cifar10" / f"{split}-00000-of-00001.parquet"
        write_parquet(file, [images[label] for label in labels], labels, "img", names)
    answer = rehearsal(tree, "speedrun", tmp_path / "out", CIFAR10=str(tmp_path / "cifar10"), SPEEDRUN_SEEDS="1")
    assert answer.returncode == 0, answer.stderr
    runs = [path.parent.name for path in (tmp_path / "out" / "runs").glob("*/*/result.json")]
    assert len(runs) == 2 * 2 * 2, "networks, lengths and seeds"
    assert list((tmp_path / "out" / "reports").rglob("report.md"))


def _png(colour: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (9, 9), (25 * colour, 99, 7)).save(stream, "PNG")
    return stream.getvalue()


def test_the_speed_run_asks_for_its_images() -> None:
    answer = session(ROOT, "speedrun", REHEARSAL="1", CIFAR10="")
    assert answer.returncode == 1
    assert "speedrun: set CIFAR10 to the folder of train-*.parquet and test-*.parquet" in answer.stderr
    assert "failed: speedrun" in answer.stderr


@pytest.mark.parametrize(("seeds", "more"), [("2", "seed=2"), ("1", "seed=1")])
def test_as_many_seeds_follow_as_time_is_left(checkout: Path, tmp_path: Path, seeds: str, more: str) -> None:
    """In a rehearsal one; the report is made of all."""
    (checkout / "train.py").write_text("import sys; print('train', *sys.argv[1:])", encoding="utf-8")
    (checkout / "report.py").write_text("import sys; print('report', *sys.argv[1:])", encoding="utf-8")
    answer = session(
        checkout, "speedrun", OUT=str(tmp_path / "out"), REHEARSAL="1", CIFAR10="/images", SPEEDRUN_SEEDS=seeds
    )
    first, second, report = (line.split() for line in answer.stdout.splitlines()[1:])
    assert answer.returncode == 0, answer.stderr
    assert {"train", "-m", "experiment=speedrun", "size=gpu", "data.root=/images"} <= {*first} & {*second}
    assert (first[0], [word for word in first if word.startswith("seed=")]) == (
        "train", [f"seed={','.join(map(str, range(int(seeds))))}"]
    )  # fmt: skip
    assert [word for word in second if word.startswith("seed=")] == [more]
    assert report[:3] == ["report", "experiment=speedrun", "size=gpu"]


@pytest.mark.parametrize(("code", "failed"), [(0, False), (1, True), (124, False)])
def test_a_sweep_that_fails_is_told_and_one_without_time_is_not(
    checkout: Path, tmp_path: Path, code: int, failed: bool
) -> None:
    """Its report is made whatever it ended with."""
    (checkout / "train.py").write_text(f"raise SystemExit({code})", encoding="utf-8")
    (checkout / "report.py").write_text("print('reported')", encoding="utf-8")
    answer = session(checkout, "sweep", OUT=str(tmp_path / "out"), REHEARSAL="1")
    assert answer.stdout.splitlines() == ["== sweep", "reported"]
    assert answer.returncode == failed
    assert ("failed: sweep" in answer.stderr) == failed
