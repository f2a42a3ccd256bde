"""`best_of`: at each place validation chooses among the values of a factor, and never what is tested."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.report import synthetic

from normfree.config import UserError
from normfree.study import Collection, Panel, Study, collect
from normfree.study.experiment import parse_experiment

SERIES = {"bn": {"label": "BN", "where": {"model.name": "resnet20"}}}
SEEDS = range(3)


def study(tmp_path: Path, validated: dict[float, float | None], **statuses: str) -> Study:
    """Runs at several rates with these validation accuracies; tested, the lowest rate is the best of all."""
    runs = [synthetic.made("resnet20", "none", 64, lr, seed, 64, ["g"]) for lr in validated for seed in SEEDS]
    synthetic.write(runs, tmp_path / "exp")
    found = collect("exp", tmp_path)
    table = found.table.copy()
    table["validation/accuracy"] = table["lr"].map(validated)
    table["test/accuracy"] = 1 - table["lr"] / 10
    for seed, status in statuses.items():
        table.loc[(table["lr"] == 1.6) & (table["seed"] == int(seed[1:])), "status"] = status
    return Study(parse_experiment({"series": SERIES}, "exp"), Collection(**{**vars(found), "table": table}))


def chosen(one: Study, **options: Any) -> float:
    panel = Panel("p", "accuracy_over", "Title", {}, (), {"x": "batch.global", **options})
    (arm,) = one.along(panel, one.series[0]).values()
    return float(arm.first("lr"))


def test_validation_chooses(tmp_path: Path) -> None:
    assert chosen(study(tmp_path, {0.4: 0.7, 1.6: 0.9, 0.1: 0.8}), best_of="lr") == 1.6


def test_an_arm_that_failed_is_not_chosen_before_one_that_did_not(tmp_path: Path) -> None:
    assert chosen(study(tmp_path, {0.4: 0.7, 1.6: 0.9}, s1="diverged"), best_of="lr") == 0.4


def test_without_it_several_arms_at_a_place_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mixes 2 arms that differ in lr"):
        chosen(study(tmp_path, {0.4: 0.7, 1.6: 0.9}))


def test_arms_that_differ_in_something_else_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mixes 2 arms that differ in lr"):
        chosen(study(tmp_path, {0.4: 0.7, 1.6: 0.9}), best_of="model")


def test_arms_that_differ_beside_it_name_the_other_factor(tmp_path: Path) -> None:
    """The rates are there to be chosen from: they are not what is wrong."""
    one = study(tmp_path, {0.4: 0.7, 1.6: 0.9})
    table = one.collection.table.assign(**{"model.source": "my_nets@11111111"})
    other = table.assign(**{"model.source": "my_nets@22222222"})
    other["arm_id"] += "-edited"
    other["run_id"] += "-edited"
    both = pd.concat([table, other], ignore_index=True)
    mixed = Collection(**{**vars(one.collection), "table": both, "factors": ("lr", "model.source")})
    with pytest.raises(UserError, match=r"differ in model\.source \(my_nets@1+, my_nets@2+\); fix.*sweep all"):
        chosen(Study(one.experiment, mixed), best_of="lr")


def test_runs_without_validation_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="validation/accuracy to choose by; leave `best_of` out"):
        chosen(study(tmp_path, {0.4: 0.7, 1.6: None}), best_of="lr")


def test_a_factor_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"panels\.p\.best_of.*lrr"):
        chosen(study(tmp_path, {0.4: 0.7, 1.6: 0.9}), best_of="lrr")


def test_the_axis_cannot_be_chosen_along(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="best_of=batch: is x too"):
        chosen(study(tmp_path, {0.4: 0.7, 1.6: 0.9}), best_of="batch")
