"""A record of a million rows: drawn small, checked and taken up again in little memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import ROOT, command_line
from tests.report import faults

from normfree.study import collect
from normfree.study.collect import thinned
from normfree.train.record.metrics import COLUMNS

ROWS = 1_000_000
MOST_MB = 200
PEAK = 517_123
"""A row whose loss is far above the others."""


def long_record(path: Path) -> None:
    blank = "," * (len(COLUMNS) - 5)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
        for first in range(1, ROWS, 10_000):
            steps = range(first, first + 10_000)
            file.write(
                "".join(f"{step},0,0.4,{9 if step == PEAK else 2.3 - step / ROWS},0.5{blank}\n" for step in steps)
            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("long")
    faults.write(made)
    long_record(made / "runs" / faults.NAME / faults.VICTIM / "metrics.csv")
    return made


@pytest.mark.cli
def test_a_report_of_a_million_rows_is_small(folder: Path) -> None:
    folders = [f"{key}_dir={folder / key}" for key in ("runs", "reports", "experiments")]
    answer = command_line("report.py", f"experiment={faults.NAME}", *folders, timeout=240)
    assert answer.returncode == 0, answer.stderr
    assert "4 finished" in answer.stdout
    assert (folder / "reports" / faults.NAME / "report.html").stat().st_size < 5e6


def test_no_peak_is_lost(folder: Path) -> None:
    curve = collect(faults.NAME, folder / "runs").curve(faults.VICTIM, "train/loss")
    assert curve is not None
    assert 500 < len(curve) <= 1002
    assert [PEAK, 9.0] in curve.tolist()
    assert curve[0].tolist() == [1, pytest.approx(2.3 - 1 / ROWS)]
    assert curve[-1, 0] == ROWS
    assert (np.diff(curve[:, 0]) > 0).all()


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_a_short_curve_stays_as_it_is(count: int) -> None:
    points = np.arange(2.0 * count).reshape(-1, 2)
    assert len(thinned(points, 10)) == count


@pytest.mark.parametrize(
    "what",
    [
        "check_metrics(path, True)",
        "last_step(path)",
        "rows = MetricsFile(path).rows; mark = rows.mark(); assert holds(path, mark); cut_to(path, mark)",
        "truncate_metrics(path, 900_000)",
        "cut = path.with_name('fewer.csv'); fewer(path, cut); MetricsFile(cut)",
        "collect(path.parents[1].name, path.parents[2]).curve(path.parent.name, 'train/loss')",
    ],
    ids=("checked", "looked at", "taken up", "cut", "of an earlier version", "drawn"),
)
def test_a_long_record_takes_little_memory(folder: Path, what: str, tmp_path: Path) -> None:
    """Memory at its highest, less what the imports take; in a process of its own."""
    code = f"""
import resource, shutil
from pathlib import Path
from normfree.runs import truncate_metrics
from normfree.runs.rows import cut_to, holds
from normfree.runs.tables import check_metrics, last_step
from normfree.study import collect
from normfree.train.record.metrics import MetricsFile

def fewer(path, cut):
    with path.open() as file, cut.open("w") as to:
        to.writelines(line.rstrip().rpartition(",")[0] + "\\n" for line in file)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

path = Path({str(tmp_path / "runs" / faults.NAME / faults.VICTIM / "metrics.csv")!r})
before = peak()
{what}
print(peak() - before)
"""
    runs = tmp_path / "runs"
    subprocess.run(["cp", "-r", str(folder / "runs"), str(runs)], check=True)
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert float(answer.stdout) < MOST_MB
