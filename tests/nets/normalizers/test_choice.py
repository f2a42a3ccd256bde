"""The table to choose by holds what the rows of a study, of a stress test and of prices hold, and nothing else."""

import csv
import gzip
from pathlib import Path

import pytest
from tests.conftest import ROOT

from normfree.nets.normalizer_choice import TARGET_LOSS, choice_table, choices
from normfree.nets.normalizer_measured import STRESS, STUDY, read_rows
from normfree.nets.normalizer_prices import PRICES

RUNS = (
    "run_id,series,status,seed,arm_id,stalled,model.name,model.normalizer,model.ghost_batch,grids,lr,steps,epochs,"
    "data.label,batch_dependence.logits_batch_vs_single"
)
ARMS = "arm_id,test/accuracy/mean,test/accuracy/low,test/accuracy/high"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [RUNS]
    for seed, status in enumerate(("finished", "finished", "finished")):
        lines.append(f"bn{seed},BatchNorm,{status},{seed},b,,resnet20,batchnorm,,confirm,0.2,100,2,digits,0.9")
        lines.append(
            f"gb{seed},BatchNorm over 4,{status},{seed},g,,resnet20,batchnorm,4.0,confirm,0.2,100,2,digits,0.9"
        )
        lines.append(
            f"dy{seed},DyT,{'untrained' if seed else status},{seed},d,,resnet20,dyt,,confirm,0.4,100,2,digits,0"
        )
        lines.append(f"nf{seed},NF,{status},{seed},n,{not seed},nf_resnet20,none,,confirm;screen,0.8,100,2,digits,0")
    lines.append("sd,DyT,diverged,10,s,,resnet20,dyt,,screen,3.2,50,1,digits,")
    (tmp_path / "runs.csv").write_text("\n".join(lines), encoding="utf-8")
    arms = [ARMS, "b,0.6,0.5,0.7", "g,0.5,0.4,0.6", "d,,,", "n,0.7,0.65,0.75", "s,,,"]
    (tmp_path / "arms.csv").write_text("\n".join(arms), encoding="utf-8")
    with gzip.open(tmp_path / "curves.csv.gz", "wt", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["run_id", "column", "most", "step", "value"])
        for name, at in {"bn0": 40, "bn1": 50, "bn2": 90, "nf0": 60, "nf1": 60, "dy0": 50}.items():
            table.writerows(
                [name, "train/loss", 40, step, 1.0 if step > at - 10 else 2.6] for step in range(10, 110, 10)
            )
    return tmp_path


def prices() -> list[dict[str, str]]:
    names = {"batchnorm": "1", "dyt": "1.5", "twin": "0.9"}
    common = {"model": "resnet20", "what": "train", "price_low": "0.8", "price_high": "1.6"}
    common |= dict.fromkeys(("form", "precision", "layout", "image_size", "threads", "device", "batch"), "1")
    return [{**common, "normalizer": name, "price": price} for name, price in names.items()]


def test_an_arm_has_its_accuracy_failures_and_price(folder: Path, tmp_path: Path) -> None:
    found = {one.title: one for one in choices(folder, tmp_path / "nowhere.csv", prices())}
    assert list(found) == ["NF", "BatchNorm", "BatchNorm over 4", "DyT"], "most accurate first, without a mean last"
    assert [round(each) for each in found["NF"].accuracy or ()] == [70, 65, 75]
    assert (found["DyT"].accuracy, found["DyT"].failed, found["DyT"].rate) == (None, ("2 of 3", "1 of 1"), 0.4)
    assert (found["NF"].failed, found["NF"].stalled, found["BatchNorm"].stalled) == (("0 of 3", "0 of 3"), 1, 0)
    assert {name: one.depends for name, one in found.items()} == {
        "NF": False, "BatchNorm": True, "BatchNorm over 4": True, "DyT": False
    }  # fmt: skip
    assert found["BatchNorm over 4"].price == {}, "a step with ghost batches was not measured"
    assert found["NF"].price["train"] == (0.9, 0.8, 1.6), "the NF network's own"


def test_a_loss_is_reached_where_the_mean_of_five_logged_ones_is(folder: Path, tmp_path: Path) -> None:
    found = {one.title: one for one in choices(folder, tmp_path / "nowhere.csv", prices())}
    # Two of 2.6 and three of 1.0 have a mean of 1.64, three and two one of 1.96: 20 steps after the first of 1.0.
    assert TARGET_LOSS == 1.8
    assert found["BatchNorm"].epochs == pytest.approx(2 * 70 / 100)
    assert found["NF"].epochs == pytest.approx(2 * 80 / 100)
    assert found["DyT"].epochs is None, "two of three seeds do not reach it"


def test_prices_of_another_setting_and_unmeasured_dependence_are_not_told(folder: Path, tmp_path: Path) -> None:
    others = [
        {**row, "precision": "bf16", "price": "9", "what": what} for row in prices() for what in ("train", "memory")
    ]
    runs = folder / "runs.csv"
    runs.write_text(runs.read_text(encoding="utf-8").replace(",digits,0\n", ",digits,\n"), encoding="utf-8")
    found = {one.title: one for one in choices(folder, tmp_path / "nowhere.csv", [*others, *prices()])}
    assert found["NF"].price == {"train": (0.9, 0.8, 1.6)}
    assert (found["NF"].depends, found["BatchNorm"].depends) == (None, True)


def test_the_table_gives_the_time_to_it_over_batchnorms(folder: Path, tmp_path: Path) -> None:
    rows = tmp_path / "prices.csv"
    with rows.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(prices()[0]))
        table.writeheader()
        table.writerows(prices())
    text = choice_table(folder, tmp_path / "nowhere.csv", rows, STUDY, Path("figure.png"))
    lines = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| ")}
    assert lines["| NF"] == (
        f"| NF | 70.0 [65.0, 75.0] | 3 | 0 of 3, 0 of 3 | 1 | 0.8 |  | 1.60 | {80 / 70 * 0.9:.2f} | 0.90 |  |  | no |"
    )
    assert lines["| BatchNorm"].count(" 1.00 |") == 2
    assert "| no mean | 3 | 2 of 3, 1 of 1 |" in lines["| DyT"]
    assert "not reached |  | 1.50 |" in lines["| DyT"]


def test_nothing_is_told_without_a_study(tmp_path: Path) -> None:
    assert choices(tmp_path, tmp_path / "s.csv", prices()) == []
    assert choice_table(tmp_path, tmp_path / "s.csv", tmp_path / "p.csv", STUDY, Path("figure.png")) == ""


def test_every_arm_that_was_chosen_is_there() -> None:
    found = choices(ROOT / STUDY, ROOT / STRESS, read_rows(ROOT / PRICES))
    rows = read_rows(ROOT / STUDY / "runs.csv")
    assert {one.title for one in found} == {row["series"] for row in rows if "confirm" in row["grids"].split(";")}
    assert all(one.price for one in found if one.title != "BatchNorm over 4")
