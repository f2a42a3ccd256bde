"""Run directories to a table: nothing planned is lost, nothing unreadable stops the others."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from normfree.config.errors import UserError
from normfree.report.facts import limits
from normfree.runs import TERMINAL
from normfree.study import OUTCOMES, Collection, Study, accounting, collect, count
from normfree.study.arms import arm_of
from normfree.study.experiment import parse_experiment


def result(run_id: str, **changes: Any) -> dict[str, Any]:
    model = {"name": "nf_resnet20", "normalizer": "none"}
    clip = {"name": "agc", "label": "AGC 0.01"}
    return {
        "schema_version": 1, "run_id": run_id, "arm_id": "a", "seed": 0, "status": "finished",
        "lr": 0.4, "model": model, "clip": clip, "data": {"classes": 10},
        "batch": {"global": 64, "norm_batch": None},
        "metrics": {"test/accuracy": 0.97}, "batch_dependence": None, "new": {"later": [1]}, **changes,
    }  # fmt: skip


def sweep(root: Path, runs: list[tuple[str, list[str], Any]]) -> Path:
    """A sweep of (run id, overrides, content of result.json or None, or 'missing')."""
    directory = root / "exp"
    directory.mkdir()
    for run_id, _, content in runs:
        if content != "missing":
            (directory / run_id).mkdir()
            (directory / run_id / "config.yaml").write_text("seed: 0\n")
        if isinstance(content, dict):
            (directory / run_id / "result.json").write_text(json.dumps(content))
        elif isinstance(content, bytes):
            (directory / run_id / "result.json").write_bytes(content)
    plan = [{"run_id": run_id, "overrides": overrides, "grids": ["g"]} for run_id, overrides, _ in runs]
    (directory / "sweep.json").write_text(json.dumps({"schema_version": 1, "experiment": "exp", "cells": plan}))
    return root


def status(collection: Collection, run_id: str) -> tuple[str, str]:
    row = collection.table.set_index("run_id").loc[run_id]
    return row["status"], row["reason"]


@pytest.mark.parametrize(
    ("content", "expected", "reason"),
    [
        ("missing", "missing", "never started"),
        (None, "incomplete", "no result.json"),
        (b'{"schema_version": 1, "run', "damaged", "Unterminated string"),
        (b"\xff\xfe", "damaged", "result.json: is no text"),
        (b"[]", "damaged", "is not an object"),
        (result("r", schema_version=2), "damaged", "schema version 2, this is version 1"),
        (result("other"), "damaged", "belongs to run other"),
        (result("r", status="fine"), "damaged", "'fine' is none of"),
        (result("r", status="diverged", metrics={"test/accuracy": None}), "diverged", ""),
        (result("r"), "finished", ""),
    ],
)
def test_every_planned_run_has_an_outcome(tmp_path: Path, content: Any, expected: str, reason: str) -> None:
    found = status(collect("exp", sweep(tmp_path, [("r", ["seed=0"], content)])), "r")
    assert found[0] == expected
    assert reason in found[1]


def test_a_run_without_a_result_is_counted_in_its_arm(tmp_path: Path) -> None:
    overrides = ["model=nf_resnet20", "clip=agc", "clip.clip_factor=0.01", "lr=0.4"]
    runs = [
        ("r0", [*overrides, "seed=0"], result("r0")),
        ("r1", [*overrides, "seed=1"], "missing"),
        (
            "r2",
            ["model=nf_resnet20", "clip=agc", "clip.clip_factor=0.01", "lr=0.8", "batch=64", "seed=0"],
            None,
        ),
    ]
    table = collect("exp", sweep(tmp_path, runs)).table.set_index("run_id")
    assert table.loc["r1", "arm_id"] == "a"
    assert table.loc["r1", "batch.global"] == 64
    assert table.loc["r1", "seed"] == 1
    assert table.loc["r2", "arm_id"] != "a"
    assert table.loc["r2", "clip.label"] == "AGC 0.01"
    assert table.loc["r2", ["lr", "batch.global"]].tolist() == [0.8, 64]


def test_no_path_of_a_machine_is_collected(tmp_path: Path) -> None:
    overrides = ["model=nf_resnet20", "data.root=/home/somebody/images", "runs_dir=/scratch", "lr=0.4"]
    sweep(tmp_path, [("one", overrides, result("one")), ("two", overrides, None)])
    table = collect("exp", tmp_path).table
    assert list(table["overrides"]) == ["lr=0.4 model=nf_resnet20"] * 2
    assert not table.map(lambda value: "/home" in str(value) or "/scratch" in str(value)).any(axis=None)


def test_one_run_under_two_names_is_not_counted_twice(tmp_path: Path) -> None:
    runs = [("r0", ["lr=1"], result("r0")), ("r1", ["lr=1.0"], result("r1")), ("r2", ["lr=1"], result("r2", seed=1))]
    with pytest.raises(UserError, match=r"r1 and r0 are one run under two names \(seed 0 of arm a\)"):
        collect("exp", sweep(tmp_path, runs))
    (tmp_path / "exp/sweep.json").write_text('{"schema_version": 1, "cells": [{"run_id": "r0"}, {"run_id": "r2"}]}')
    assert len(collect("exp", tmp_path).table) == 2


def test_what_is_not_known_of_a_run_threatens_a_report(tmp_path: Path) -> None:
    def made(run: str, seed: int, commit: str | None, **changes: Any) -> tuple[str, list[str], Any]:
        origin = {"commit": commit, "dirty": False, "normfree": "0.1.0", "torch": "2.13.0", "device": "a"}
        return run, [f"seed={seed}"], result(run, seed=seed, provenance=origin, **changes)

    resumed = "resumed under other threads (1, then 2)"
    runs = [made("r0", 0, "a"), made("r1", 1, None), made("r2", 2, None), made("r3", 3, "a", resumed=resumed)]
    told = limits(Study(parse_experiment({"question": "?"}, "exp"), collect("exp", sweep(tmp_path, runs))))
    assert "The runs come from 3 different values of commit; see how they were made." in told
    assert "The commit of 2 runs is not known, which counts as different from every other." in told
    assert f"r3 was {resumed}." in told


def test_directories_nobody_planned_are_shown_and_not_used(tmp_path: Path) -> None:
    sweep(tmp_path, [("r", ["seed=0"], result("r"))])
    (tmp_path / "exp" / "stray").mkdir()
    (tmp_path / "exp" / "stray" / "result.json").write_text(json.dumps(result("stray")))
    found = collect("exp", tmp_path)
    assert found.unplanned == ("stray",)
    assert list(found.table["run_id"]) == ["r"]


@pytest.mark.parametrize("planned", [True, False])
def test_a_run_trained_anew_is_no_other_seed(tmp_path: Path, planned: bool) -> None:
    first, anew = "r-00000000", "r-00000000.again-2"
    runs = [(first, ["seed=0"], result(first)), (anew, ["seed=0", "again=2"], result(anew, metrics={}))]
    sweep(tmp_path, runs)
    for name, lr in ((first, 1), (anew, 2)):
        (tmp_path / "exp" / name / "metrics.csv").write_text(f"step,lr\n1,{lr}\n")
    if not planned:
        (tmp_path / "exp" / "sweep.json").unlink()
    found = collect("exp", tmp_path)
    assert list(found.table["run_id"]) == [first]
    assert found.repeated == {anew: first}
    told = limits(Study(parse_experiment({"question": "?"}, "exp"), found))
    assert f"Not used, as they repeat runs with the same seed: 1 run; 1 with others ({anew})." in told


def test_without_a_plan_the_directories_are_the_plan(tmp_path: Path) -> None:
    sweep(tmp_path, [("r", ["seed=0"], result("r"))])
    (tmp_path / "exp" / "sweep.json").unlink()
    found = collect("exp", tmp_path)
    assert found.planned_by != "sweep.json"
    assert count(found.table).finished == 1


def test_without_a_plan_what_was_typed_are_the_factors(tmp_path: Path) -> None:
    """Also what a result has as a list; of a place on the machine of the run its name alone."""
    words = {
        "r0": ["model.freeze=[stem,0]", "model.weights=/home/me/runs/pre/one"],
        "r1": ["optimizer.weight_decay=0.01"],
    }
    sweep(tmp_path, [(name, typed, result(name, arm_id=name)) for name, typed in words.items()])
    (tmp_path / "exp" / "sweep.json").unlink()
    for name, typed in words.items():
        (tmp_path / "exp" / name / "overrides.yaml").write_text(yaml.safe_dump(typed), encoding="utf-8")
    table = collect("exp", tmp_path).table
    first, second = (table.iloc[place] for place in (0, 1))
    assert (first["model.freeze"], first["model.weights"]) == ("[stem,0]", "one")
    assert second["optimizer.weight_decay"] == 0.01
    assert pd.isna(second["model.freeze"])
    (tmp_path / "exp" / "r1" / "overrides.yaml").write_text("{a: [", encoding="utf-8")
    assert "optimizer.weight_decay" not in collect("exp", tmp_path).table


def test_no_runs_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"make them with: python train.py"):
        collect("exp", tmp_path, "python train.py experiment=exp")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema_version": 9, "cells": []}', '{"schema_version": 1, "cells": [1]}']
)
def test_a_broken_plan_is_one_line(tmp_path: Path, text: str) -> None:
    sweep(tmp_path, [("r", ["seed=0"], result("r"))])
    (tmp_path / "exp" / "sweep.json").write_text(text)
    with pytest.raises(UserError, match=r"sweep\.json"):
        collect("exp", tmp_path)


@given(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.sampled_from("ab")), max_size=30))
def test_counts_add_up_to_planned(runs: list[tuple[str, str]]) -> None:
    table = pd.DataFrame(runs, columns=["status", "series"])
    counts = count(table)
    assert counts.planned == len(runs) == sum(getattr(counts, name) for name in OUTCOMES)
    assert counts.planned == counts.concluded + counts.open
    assert accounting(table, ["series"])["planned"].sum() == len(runs)


arm_runs = st.lists(st.tuples(st.sampled_from(TERMINAL), st.floats(0, 1)), min_size=1, max_size=6)


@given(arm_runs)
def test_only_arms_whose_seeds_all_trained_have_a_mean(runs: list[tuple[str, float]]) -> None:
    rows = [
        {"status": s, "test/accuracy": a, "seed": i, "run_id": str(i), "arm_id": "a"} for i, (s, a) in enumerate(runs)
    ]
    arm = arm_of(pd.DataFrame(rows))
    assert (arm.interval is not None) == all(s == "finished" for s, _ in runs)
    if arm.interval is not None:
        assert arm.interval.n == arm.counts.planned
