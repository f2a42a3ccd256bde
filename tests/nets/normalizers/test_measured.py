"""What cards say was measured is what the rows of a study and of a stress test hold."""

import csv
from pathlib import Path

from tests.conftest import ROOT

from normfree.nets.normalizer_measured import STRESS, STUDY, accuracy_rows, stable_rate_rows
from normfree.nets.normalizers import list_normalizers

RUNS = "arm_id,status,model.name,model.normalizer,model.ghost_batch,grids,lr,epochs,data.label"
ARMS = "arm_id,planned,test/accuracy/mean,test/accuracy/low,test/accuracy/high,test/accuracy/seeds"
STAGES = "model,clip,label,seed,number,lr,loss,learned,broke"


def study(folder: Path, *statuses: str, arm: str, screened: tuple[str, ...] = ()) -> Path:
    tail = "resnet20,{},{},{},0.2,2.0,digits"
    runs = [f"a,{status},{tail.format('dyt', '', 'confirm')}" for status in statuses]
    runs += [f"s{n},{status},{tail.format('dyt', '', 'screen')}" for n, status in enumerate(screened)]
    runs += [f"g,finished,{tail.format('batchnorm', '4.0', 'confirm')}"]
    runs += ["t,finished,nf_resnet20,none,,confirm,0.8,2.0,digits"]
    (folder / "runs.csv").write_text("\n".join([RUNS, *runs]), encoding="utf-8")
    (folder / "arms.csv").write_text("\n".join([ARMS, arm]), encoding="utf-8")
    return folder


def test_a_mean_has_its_interval_n_rate_and_failures(tmp_path: Path) -> None:
    found = accuracy_rows(
        study(tmp_path, "finished", "finished", arm="a,2,0.5,0.45,0.55,0.4;0.6", screened=("finished", "diverged"))
    )
    assert found == {
        "dyt": {
            "accuracy": "50.0 % [45.0, 55.0], n = 2, at rate 0.2 "
            "([resnet20, digits, 2 epochs](../reports/normalizers/report.md))",
            "failed runs": "0 of 2 at that rate, 1 of 2 over the rates of the screen",
        }
    }, "ghost batches and NF twins are no normalisers of the cards"


def test_where_a_seed_failed_there_is_no_mean(tmp_path: Path) -> None:
    one = accuracy_rows(study(tmp_path, "finished", "untrained", arm="a,2,,,,0.4"))["dyt"]
    assert one["accuracy"].startswith("no mean: 40.0 % of the seeds that trained, n = 2")
    assert one["failed runs"] == "1 of 2 at that rate"


def test_the_highest_stable_rate_is_the_median_of_the_seeds(tmp_path: Path) -> None:
    rows = tmp_path / "stages.csv"
    lines = ["resnet20,none,none,0,0,0.1,1.5,True,", "resnet20,none,none,0,1,0.2,9,False,blew up"]
    lines += ["resnet20,none,none,1,0,0.1,1.5,True,", "resnet20,none,none,1,1,0.2,1.0,True,"]
    lines += [
        "resnet20_groupnorm_ws,none,none,0,0,0.1,2.3,False,",
        "resnet20_groupnorm_ws,none,none,0,1,0.2,nan,False,nan",
    ]
    rows.write_text("\n".join([STAGES, *lines]), encoding="utf-8")
    found = stable_rate_rows(rows)
    assert found["batchnorm"]["highest stable rate"].startswith("0.15 or more, seeds from 0.1 to 0.2, n = 2 (")
    assert found["groupnorm_ws"]["highest stable rate"].startswith("none, n = 1 (")


def test_nothing_is_told_where_nothing_was_measured(tmp_path: Path) -> None:
    assert accuracy_rows(tmp_path) == stable_rate_rows(tmp_path / "nowhere.csv") == {}


def test_every_normaliser_was_measured() -> None:
    assert sorted(accuracy_rows(ROOT / STUDY)) == sorted(list_normalizers())
    assert set(stable_rate_rows(ROOT / STRESS)) <= set(list_normalizers())


def test_failures_are_those_that_the_report_counts() -> None:
    """The report counts them by its own rule."""
    told = accuracy_rows(ROOT / STUDY)
    with (ROOT / STUDY / "failures.csv").open(newline="", encoding="utf-8") as file:
        counted = {row["series"]: int(row["untrained"]) + int(row["diverged"]) for row in csv.DictReader(file)}
    for name, series in {"batchnorm": "BatchNorm", "derf": "Derf", "fixup": "Fixup", "frn": "FRN with TLU"}.items():
        here = [int(part.split(" of ")[0]) for part in told[name]["failed runs"].split(", ")]
        assert sum(here) == counted[series]
