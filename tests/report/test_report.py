"""The report of the stored fixture: its accounting, its page, and the same bytes for the same runs."""

import hashlib
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from normfree.report.build import differences, render, write
from normfree.report.facts import limits
from normfree.study import OUTCOMES, Collection, Experiment, Study, collect, judge

FIXTURES = Path(__file__).parent / "fixtures"
ROOT = Path(__file__).parents[2]
RENDER = """
import hashlib, json, sys
from dataclasses import replace
from pathlib import Path
from normfree.report.build import render
from normfree.study import collect, judge, load_experiment, Study
experiment = load_experiment("demo", Path(sys.argv[1]) / "experiments")
collection = collect("demo", Path(sys.argv[2]))
files = render(Study(experiment, collection), judge(experiment, collection.table))
print(json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in files.items()}))
assert "torch" not in sys.modules and "pytorch_lightning" not in sys.modules
"""


@pytest.fixture(scope="module")
def files(experiment: Experiment, collection: Collection) -> dict[str, bytes]:
    return render(Study(experiment, collection), judge(experiment, collection.table))


def read(files: dict[str, bytes], name: str) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(files[name]))


def test_the_fixture_has_every_outcome(collection: Collection) -> None:
    assert set(collection.table["status"]) == set(OUTCOMES)


def test_failures_add_up(files: dict[str, bytes]) -> None:
    failures = read(files, "failures.csv").set_index("series")
    assert (failures[list(OUTCOMES)].sum(axis=1) == failures["planned"]).all()
    assert failures.loc["all", "planned"] == 30 == failures.drop("all")["planned"].sum()
    assert len(read(files, "runs.csv")) == 30
    assert read(files, "arms.csv")["planned"].sum() == 30


def test_mixed_cells_have_seeds_and_no_mean(files: dict[str, bytes]) -> None:
    arms = read(files, "arms.csv")
    mixed = arms[arms["trained"] < arms["planned"]]
    assert len(mixed) > 3
    assert mixed[["test/accuracy/mean", "test/accuracy/low"]].isna().all().all()
    assert arms.loc[arms["trained"] == arms["planned"], "test/accuracy/low"].notna().all()


def test_no_accuracy_is_averaged_over_the_runs_that_survived(files: dict[str, bytes]) -> None:
    series = read(files, "series.csv").set_index(["panel", "series"])
    row = series.loc[("Batch 64", "NF-ResNet, no clipping")]
    assert (row["trained"], row["untrained"], row["diverged"], row["open"]) == (2, 1, 4, 2)
    assert (row["arms"], row["arms_trained"]) == (3, 0)
    assert not [name for name in series if "accuracy" in name]
    assert "accuracy (%) of" not in files["report.md"].decode()
    assert (
        "arms have no mean and no interval, as 4 of their runs diverged and 1 were untrained"
        in files["report.md"].decode()
    )


def test_cells_without_a_mean_show_every_seed(files: dict[str, bytes]) -> None:
    arms = read(files, "arms.csv").set_index("arm_id")
    mixed = arms.loc["nf_resnet20-none-b64-lr0.8"]
    assert (float(mixed["test/accuracy/untrained_seeds"]), float(mixed["test/accuracy/diverged_seeds"])) == (0.102, 0.1)
    survivor = f"{100 * float(mixed['test/accuracy/seeds']):.1f}"
    assert f"| ✕, △10.2, {survivor} |" in files["report.md"].decode()


def test_stalled_is_no_outcome(files: dict[str, bytes]) -> None:
    """A network that learned through its shortcuts alone has a mean as any other, and a note beside it."""
    slow = read(files, "arms.csv").set_index("arm_id").loc["nf_resnet20-agc01-b64-lr0.2"]
    assert (slow["trained"], slow["stalled"], slow["planned"]) == (3, 3, 3)
    assert 0.4 < slow["test/accuracy/mean"] < 0.6
    assert "3 runs stalled (skip gains that hardly opened), 3 of which finished" in files["report.md"].decode()


def test_figures_in_three_formats(files: dict[str, bytes]) -> None:
    names = {name for name in files if name.startswith("figures/")}
    panels = ("main", "stability", "statistics", "dependence", "trained", "curves", "skip_gain")
    assert names == {f"figures/{panel}.{kind}" for panel in panels for kind in ("png", "pdf", "svg")}
    assert files["figures/main.png"].startswith(b"\x89PNG")
    assert files["figures/main.pdf"].startswith(b"%PDF")


class Outside(html.parser.HTMLParser):
    """Collects what a page asks the network or the disk for, and the text it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.within: set[str] = set()
        self.places: set[str] = set()
        self.images = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "iframe")
        for name, value in attributes:
            if name == "id":
                assert value not in self.places
                self.places.add(str(value))
            if name == "href" and (value or "").startswith("#"):
                self.within.add(str(value)[1:])
            elif name in ("src", "href", "srcset", "data"):
                self.images += tag == "img"
                if not (value or "").startswith("data:"):
                    self.asked.append(str(value))


def test_the_page_needs_nothing_else(files: dict[str, bytes]) -> None:
    page = files["report.html"].decode()
    parser = Outside()
    parser.feed(page)
    assert parser.asked == []
    assert parser.within
    assert parser.within <= parser.places
    assert parser.images >= 6
    assert "url(" not in page
    assert "@import" not in page


def test_no_machine_paths_and_no_clock(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        assert str(ROOT).encode() not in content, name
        assert b"/CreationDate" not in content, name
        assert not re.search(rb"<dc:date>|tIME|20\d\d-\d\d-\d\dT", content), name


def test_page_and_markdown_say_what_a_reader_needs(files: dict[str, bytes]) -> None:
    for name in ("report.html", "report.md"):
        text = files[name].decode()
        for needed in (
            "inconclusive",
            "supported",
            "Threats to validity",
            "made up",
            "2.13.0",
            "CPU Example",
        ):
            assert needed in text, (name, needed)
        for needed in (
            "normfree report experiment=demo",
            "preempted",
            "RuntimeError: out of memory",
            "Holm",
        ):
            assert needed in text, (name, needed)


def fingerprint(sweeps: Path, seed: str) -> dict[str, str]:
    command = [sys.executable, "-c", RENDER, str(FIXTURES), str(sweeps)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo" if seed == "1" else "UTC"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_same_bytes_in_another_process_place_and_order(files: dict[str, bytes], tmp_path: Path) -> None:
    sweeps = tmp_path / "elsewhere"
    shutil.copytree(FIXTURES / "sweeps", sweeps)
    plan = json.loads((sweeps / "demo" / "sweep.json").read_text())
    plan["cells"].reverse()
    (sweeps / "demo" / "sweep.json").write_text(json.dumps(plan))
    here = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert fingerprint(sweeps, "1") == here
    assert fingerprint(FIXTURES / "sweeps", "2") == here


def test_write_and_check(files: dict[str, bytes], tmp_path: Path) -> None:
    write(files, tmp_path / "demo")
    assert differences(files, tmp_path / "demo") == []
    assert not list((tmp_path / "demo").rglob(".*"))
    (tmp_path / "demo" / "arms.csv").write_text("series\n")
    (tmp_path / "demo" / "report.md").unlink()
    assert differences(files, tmp_path / "demo") == ["arms.csv", "report.md"]


def test_figures_of_an_earlier_drawing_are_not_left(files: dict[str, bytes], tmp_path: Path) -> None:
    write(files | {f"figures/earlier.{kind}": b"" for kind in ("png", "pdf", "svg")}, tmp_path)
    (tmp_path / "figures" / "mine.png").write_bytes(b"of the user")
    write(files, tmp_path)
    left = {f"figures/{path.name}" for path in (tmp_path / "figures").iterdir()}
    assert left == {name for name in files if name.startswith("figures/")} | {"figures/mine.png"}


def test_the_stored_runs_are_what_the_generator_writes(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        import synthetic
    finally:
        sys.path.pop(0)
    runs, outcomes = synthetic.demo()
    synthetic.write(runs, tmp_path / "demo", outcomes)
    again, stored = collect("demo", tmp_path), collect("demo", FIXTURES / "sweeps")
    pd.testing.assert_frame_equal(again.table, stored.table)


def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(ROOT / "report.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


PLACES = [f"runs_dir={FIXTURES / 'sweeps'}", f"experiments_dir={FIXTURES / 'experiments'}"]


@pytest.mark.cli
def test_command(tmp_path: Path) -> None:
    done = ask("experiment=demo", *PLACES, f"reports_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "demo" / "report.html")
    assert (tmp_path / "demo" / "report.html").is_file()
    assert "inconclusive  At learning rate 0.8, AGC trains more often" in done.stdout
    assert done.stderr == ""


@pytest.mark.cli
def test_help_is_fast() -> None:
    started = time.monotonic()
    done = ask("--help")
    assert done.returncode == 0
    assert "python report.py experiment=quickstart" in done.stdout
    assert time.monotonic() - started < 5  # under one second on an idle machine


@pytest.mark.cli
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment=dmo", *PLACES], "did you mean 'demo'"),
        (
            ["experiment=demo", PLACES[1], "runs_dir=nowhere"],
            "make them with: python tests/report/synthetic.py",
        ),
        (["experimnt=demo"], "experimnt=demo: no such key, did you mean 'experiment'"),
        (["demo"], "give key=value, such as experiment=demo"),
        (["-m", "experiment=demo"], "a report is of one experiment"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    done = ask(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_arm_of_different_images_is_a_threat(experiment: Experiment, collection: Collection) -> None:
    table = collection.table.copy()
    table["data.digest"] = "aa"
    assert not any(
        "read different images" in line for line in limits(Study(experiment, replace(collection, table=table)))
    )
    arm = table["arm_id"].mode()[0]
    table.loc[table.index[table["arm_id"] == arm][0], "data.digest"] = "bb"
    found = limits(Study(experiment, replace(collection, table=table)))
    assert f"The runs of arm {arm} read different images (digests aa, bb)." in found


def test_rows_that_are_lost_are_a_threat(experiment: Experiment, collection: Collection) -> None:
    table = collection.table.copy()
    table["lost_rows"] = ""
    assert not any("has a gap" in line for line in limits(Study(experiment, replace(collection, table=table))))
    table.loc[table.index[3], "lost_rows"] = "metrics.csv: rows up to step 60 are lost"
    found = limits(Study(experiment, replace(collection, table=table)))
    assert f"The record of {table['run_id'][3]} has a gap: metrics.csv: rows up to step 60 are lost." in found
