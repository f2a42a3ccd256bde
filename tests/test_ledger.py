"""The ledger and the index of reports: what they say is what reports and networks say, and they are up to date."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from normfree.study.statistics import mean_interval

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"
OF_A_VERDICT = {
    "supported": {"in direction", "reproduced"},
    "refuted": {"contradicted"},
    "inconclusive": {"inconclusive"},
}


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    table: pd.DataFrame = script("ledger").read()
    return table


def test_the_page_is_that_of_the_rows(rows: pd.DataFrame) -> None:
    assert (REPORTS / "ledger.md").read_text(encoding="utf-8") == script("ledger").page(rows)


def test_every_row_has_a_source_and_a_status_with_its_reason(rows: pd.DataFrame) -> None:
    assert set(rows["status"]) <= set(script("ledger").STATUSES)
    assert rows["source"].ne("").all()
    assert not rows["place"].str.contains("memory").any()
    assert not rows.duplicated(["what", "source", "place"]).any()
    left = rows[rows["status"] == "not attempted"]
    assert left["why"].ne("").all()
    assert left["measured"].eq("").all()
    assert rows[rows["status"] != "not attempted"]["report"].ne("").all()


def test_numbers_of_networks_are_those_of_their_page(rows: pd.DataFrame) -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    found = rows[rows["report"] == "docs/models.md"]
    assert len(found) > 25
    for row in found.to_dict("records"):
        line = next(one for one in text.splitlines() if one.startswith(f"| `{row['evidence']}` "))
        values = [value.strip() for value in line.split("|")]
        if row["unit"] == "M":
            assert float(row["measured"]) == int(values[3].replace(",", "")) / 1e6, row
        else:
            assert float(row["measured"]) == float(values[5].split()[0]), row
        off = abs(float(row["measured"]) / float(row["published"]) - 1)
        assert row["status"] == ("reproduced" if off <= 0.02 else row["status"]), row
        assert off <= 0.02 or row["status"] != "reproduced", row


def test_verdicts_are_those_of_their_reports(rows: pd.DataFrame) -> None:
    found = rows[~rows["report"].isin(["", "docs/models.md"]) & ~rows["report"].str.startswith("benchmarks/")]
    assert len(found) >= 6
    for row in found.to_dict("records"):
        text = (REPORTS / row["report"] / "report.md").read_text(encoding="utf-8")
        told = re.findall(r"^\| \*\*(\w+)\*\* \| (.*?) \|", text, re.MULTILINE)
        (verdict,) = [verdict for verdict, claim in told if claim == row["evidence"]]
        assert row["status"] in OF_A_VERDICT[verdict], row


def test_times_are_those_of_the_benchmarks(rows: pd.DataFrame) -> None:
    """A network's fastest training step over another's; from the one's p10 over the other's p90 to the opposite."""
    found = rows[rows["report"].str.startswith("benchmarks/")]
    assert len(found) >= 5
    for row in found.to_dict("records"):
        table = pd.read_csv(REPORTS / row["report"])
        steps = table[(table["what"] == "train") & table["update"].eq(True) & table["value"].notna()]
        over, under = (
            steps[steps["model"] == model].sort_values("value").iloc[0] for model in row["evidence"].split(" over ")
        )
        assert over["batch"] == under["batch"]
        measured = (over["value"] / under["value"], over["p10"] / under["p90"], over["p90"] / under["p10"])
        assert [row[name] for name in ("measured", "low", "high")] == [f"{value:.3g}" for value in measured], row
        told = "in direction" if measured[1] > 1 else "contradicted" if measured[2] < 1 else "inconclusive"
        assert row["status"] == told, row


def test_epochs_that_batchnorm_is_worth_are_those_of_the_runs(rows: pd.DataFrame) -> None:
    """Of each seed: where the NF network's accuracy over the logarithm of the epochs reaches BatchNorm's with four."""
    (row,) = rows[rows["report"] == "epochs_to_target"].query("unit == 'ratio'").to_dict("records")
    runs = pd.read_csv(REPORTS / "epochs_to_target" / "runs.csv").sort_values("steps")
    epochs = (runs["steps"] * runs["batch.global"] / runs["data.train"]).round()
    ratios = []
    for seed in (0, 1, 2):
        ours = runs[(runs["series"] == "NF-ResNet, no clipping") & (runs["seed"] == seed)]
        (target,) = runs[(runs["series"] == "BN-ResNet") & (runs["seed"] == seed) & (epochs == 4)]["test/accuracy"]
        ratios.append(np.interp(target, ours["test/accuracy"], np.log(epochs[ours.index])) - np.log(4))
    interval = mean_interval(ratios, 0.95)
    found = (interval.estimate, interval.low, interval.high)
    assert [row[name] for name in ("measured", "low", "high")] == [f"{np.exp(value):.2f}" for value in found]


def test_the_index_is_that_of_the_reports() -> None:
    """But for dates, which are of commits that a shallow clone does not have."""
    index, expected = (REPORTS / "README.md").read_text(encoding="utf-8"), script("reports_index").index()
    undated = re.compile(r"; (\d{4}-\d\d-\d\d)?(?= \|$)", re.MULTILINE)
    assert undated.sub("", index) == undated.sub("", expected)
