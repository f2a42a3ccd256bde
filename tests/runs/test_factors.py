"""The plan knows what its runs were to be: every key that acts, whether they have run or not."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import resolved
from tests.report import synthetic

from normfree.config import UserError
from normfree.runs import arm_id, run_id
from normfree.runs.factors import factors_of, pack, unpack
from normfree.runs.plan import PLAN, PlannedRun, add_to_plan, read_plan
from normfree.study import Study, collect
from normfree.study.experiment import parse_experiment

VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text("ab", max_size=3)
ARMS = st.dictionaries(st.text("abc", min_size=1), st.dictionaries(st.sampled_from("uvwxyz"), VALUES), max_size=5)


def test_they_are_what_keys_come_to() -> None:
    found = factors_of(resolved("model=nf_resnet20", "clip=agc", "clip.eps=0.001", "batch=64", "optimizer.base_lr=0.8"))
    assert (found["batch.global"], found["lr"], found["optimizer.base_lr"]) == (64, 0.2, 0.8)
    assert found["clip.label"] == "AGC 0.01"
    assert found["clip.max_norm"] is None, "it does not act"
    assert found["model.activation"] == "relu", "the network's own"
    assert found["model.normalizer"] == "none"
    assert "seed" not in found


def test_a_strength_of_nothing_is_a_value_of_the_factor() -> None:
    words = ("augment=randaugment", "augment.shift=1")
    strengths = [factors_of(resolved(*words, f"augment.magnitude={one}"))["augment.magnitude"] for one in (0, 5)]
    assert strengths == [0, 5]
    assert factors_of(resolved("augment=crop_flip", "augment.shift=1"))["augment.magnitude"] is None


def test_they_name_no_place_of_a_machine() -> None:
    places = ("data.root=/home/somebody", "data.cache=/scratch/cache", "runs_dir=/scratch/runs")
    found = factors_of(resolved("data=mnist5k", "trainer.threads=3", *places))
    assert not [key for key, value in found.items() if "/" in str(value)]
    assert not [key for key in found if "threads" in key or "root" in key]


def test_runs_of_an_arm_have_the_same() -> None:
    assert factors_of(resolved("seed=1")) == factors_of(resolved("seed=2"))


@given(ARMS)
def test_what_is_in_common_stands_once(arms: dict[str, dict[str, Any]]) -> None:
    common, own = pack(arms)
    assert repr({arm: sorted(one.items()) for arm, one in unpack(common, own).items()}) == repr(
        {arm: sorted(one.items()) for arm, one in arms.items()}
    )
    assert not [key for one in own.values() for key in one if key in common]


def planned(folder: Path, *runs: tuple[str, ...]) -> None:
    every = [resolved(*overrides) for overrides in runs]
    runs = [
        PlannedRun(run_id(one), overrides, ("main",), arm_id(one), one.config.seed)
        for one, overrides in zip(every, runs, strict=True)
    ]
    add_to_plan(folder, "exp", runs, {}, {arm_id(one): factors_of(one) for one in every})


def test_any_key_is_a_factor_of_a_report_before_anything_has_run(tmp_path: Path) -> None:
    arms = [(f"model.activation={name}", f"optimizer.nesterov={nesterov}") for name in ("silu", "gelu") for nesterov in
            ("true", "false")]  # fmt: skip
    planned(tmp_path / "exp", *[("model=nfnet_nano", *arm, f"seed={seed}") for arm in arms for seed in (0, 1)])
    collection = collect("exp", tmp_path)
    assert collection.table.groupby("arm_id").size().tolist() == [2, 2, 2, 2]
    panel = {"kind": "accuracy_over", "x": "batch.global"}
    series = {"s": {"where": {"model.activation": "silu", "optimizer.nesterov": True}}}
    experiment = parse_experiment({"series": series, "panels": {"p": panel}}, "exp")
    (arm,) = Study(experiment, collection).along(experiment.panels[0], experiment.series[0]).values()
    assert (arm.counts.planned, arm.counts.missing) == (2, 2)
    mixed = parse_experiment({"series": {"s": {"where": {"seed": [0, 1]}}}, "panels": {"p": panel}}, "exp")
    with pytest.raises(UserError, match=r"mixes 4 arms that differ in model\.activation, optimizer\.nesterov;"):
        Study(mixed, collection).along(mixed.panels[0], mixed.series[0])


def test_the_version_of_own_code_is_a_factor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds that were added after an edit make another arm, and nothing else tells the two apart."""
    monkeypatch.syspath_prepend(str(tmp_path))
    arms: list[str] = []
    for seed, text in enumerate(("def f(parameters): pass", "def f(parameters): return 1")):
        (tmp_path / "versioned_clip.py").write_text(text)
        words = ("clip=custom", "clip._target_=versioned_clip.f", f"seed={seed}")
        planned(tmp_path / "exp", words)
        arms.append(str(factors_of(resolved(*words))["clip.source"]))
    assert arms[0] != arms[1]
    panel = {"kind": "accuracy_over", "x": "batch.global"}
    experiment = parse_experiment({"panels": {"p": panel}}, "exp")
    study = Study(experiment, collect("exp", tmp_path))
    with pytest.raises(UserError, match=r"differ in clip\.source \(versioned_clip@\w{8}, versioned_clip@\w{8}\); fix"):
        study.along(study.experiment.panels[0], study.series[0])
    one = parse_experiment({"series": {"s": {"where": {"clip.source": arms[1]}}}, "panels": {"p": panel}}, "exp")
    (arm,) = Study(one, study.collection).along(one.panels[0], one.series[0]).values()
    assert list(arm.runs["seed"]) == [1]
    assert "clip.source" not in factors_of(resolved("clip=agc"))


def test_a_result_says_more_than_the_plan(tmp_path: Path) -> None:
    made = synthetic.made("nf_resnet20", "agc01", 64, 0.8, 0, None, ["main"])
    synthetic.write([made], tmp_path / "exp", {made["run_id"]: "finished"})
    before = collect("exp", tmp_path).table
    own = {"lr": 0.5, "model.alpha": 0.2, "clip.max_norm": None, "clip.clip_factor": 0.01}
    planned = PlannedRun(made["run_id"], tuple(made["overrides"]), ("main",), made["arm"], 0)
    add_to_plan(tmp_path / "exp", "exp", [planned], {}, {made["arm"]: own})
    after = collect("exp", tmp_path)
    assert after.table.loc[0, ["lr", "model.alpha"]].tolist() == [0.8, 0.2]
    assert after.factors == ("clip.clip_factor", "clip.max_norm", "lr", "model.alpha")
    assert after.unrecorded == ("clip.max_norm", "model.alpha"), "the others were typed or recorded"
    assert set(after.table) - set(before) == set(after.unrecorded)


def test_a_plan_of_an_earlier_version_is_read_and_kept(tmp_path: Path) -> None:
    old = {"schema_version": 1, "experiment": "exp", "cells": [{"run_id": "a", "overrides": ["lr=1"], "grids": ["g"]}]}
    (tmp_path / PLAN).write_text(json.dumps(old))
    add_to_plan(tmp_path, "exp", [PlannedRun("b", ("lr=2",), (), "arm", 0)], {}, {"arm": {"lr": 2.0}})
    plan = read_plan(tmp_path)
    assert plan is not None
    assert plan.runs == {"a": PlannedRun("a", ("lr=1",), ("g",)), "b": PlannedRun("b", ("lr=2",), (), "arm", 0)}
    assert plan.arms == {"arm": {"lr": 2.0}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": [{"run_id": "a", "superseded_by": "../b"}]}, r"runs\[0\]\.superseded_by: \.\./b is no name of a run"),
        ({"runs": [{"run_id": "a", "superseded_by": "b", "changed": 1}]}, r"runs\[0\]\.changed is 1, not a list"),
        ({"arms": [1]}, r"arms is \[1\], not names and factors"),
        ({"arms": {"arm": {"lr": [1]}}}, r"arms\.arm\.lr is \[1\], not one value"),
        ({"factors": {"a\nb": 1}}, "not a text of one line"),
        ({"arms": {"arm": 3}}, "arms.arm is 3, not names and values"),
        ({"arms": {}}, r"runs\[0\]\.arm_id: arm is none of the arms"),
        ({"runs": [{"run_id": "a", "arm_id": "arm", "seed": "0"}]}, r"runs\[0\]\.seed is 0, not a whole number"),
    ],
)
def test_a_plan_with_other_factors_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    sound = {"schema_version": 1, "arms": {"arm": {}}, "runs": [{"run_id": "a", "arm_id": "arm", "seed": 0}]}
    (tmp_path / PLAN).write_text(json.dumps(sound | changes))
    with pytest.raises(UserError, match=message):
        read_plan(tmp_path)
