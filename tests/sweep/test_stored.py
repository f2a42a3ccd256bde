"""What a folder of runs holds is data: a plan of another person's starts no code."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY, command_line, resolved

from normfree.config import UserError
from normfree.config.parts import PARTS
from normfree.runs import run_id
from normfree.runs.plan import read_plan
from normfree.slurm.settings import SlurmSettings
from normfree.slurm.submission import submissions
from normfree.sweep.keys import read_runs
from normfree.sweep.state import run_states
from normfree.sweep.stored import check_overrides, permit_settings, permit_target, remember_code

MARKER = "def mark(parameters, path):\n    open(path, 'w').close()\n"


def foreign_plan(folder: Path, overrides: list[str], run: str = "a-run") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    runs = [{"run_id": run, "overrides": overrides, "grids": []}]
    plan = folder / "sweep.json"
    plan.write_text(json.dumps({"schema_version": 1, "experiment": folder.name, "cells": runs}), encoding="utf-8")
    return plan


@pytest.mark.cli
def test_a_foreign_plan_names_code_in_vain_until_the_user_names_it(tmp_path: Path) -> None:
    (tmp_path / "marking.py").write_text(MARKER, encoding="utf-8")
    marker, path = tmp_path / "marker", {"PYTHONPATH": str(tmp_path)}
    words = [*TINY, "trainer=cpu", "clip=custom", "clip._target_=marking.mark", f"clip.arguments={{path: {marker}}}"]
    answer = command_line("train.py", "-m", *words, f"runs_dir={tmp_path}/mine", **path)
    assert answer.returncode == 0, answer.stderr
    marker.unlink()
    (mine,) = (state.run_id for state in run_states(tmp_path / "mine/single"))
    shutil.rmtree(tmp_path / "mine/single" / mine)
    shutil.copytree(tmp_path / "mine", tmp_path / "foreign")
    here = ("runs.py", "experiment=single", f"runs_dir={tmp_path}/foreign", "retry=planned")
    answer = command_line(*here, **path)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.count("\n") == 1
    assert f"clip._target_=marking.mark comes from {tmp_path}/foreign/single/sweep.json; look at it" in answer.stderr
    assert not marker.exists()
    answer = command_line(*here, "clip._target_=marking.other", **path)
    assert answer.returncode == 2
    assert not marker.exists()
    answer = command_line(*here, "clip._target_=marking.mark", **path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert marker.exists()


@pytest.mark.cli
def test_the_plan_that_the_user_started_goes_on_without_asking(tmp_path: Path) -> None:
    (tmp_path / "marking.py").write_text(MARKER, encoding="utf-8")
    marker, path = tmp_path / "marker", {"PYTHONPATH": str(tmp_path)}
    words = [*TINY, "trainer=cpu", "clip=custom", "clip._target_=marking.mark", f"clip.arguments={{path: {marker}}}"]
    assert command_line("train.py", "-m", *words, f"runs_dir={tmp_path}/mine", **path).returncode == 0
    (mine,) = (state.run_id for state in run_states(tmp_path / "mine/single"))
    shutil.rmtree(tmp_path / "mine/single" / mine)
    answer = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path}/mine", "retry=planned", **path)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("group", [part.group for part in PARTS])
def test_each_part_of_a_run_is_asked_for_by_itself(group: str, tmp_path: Path) -> None:
    words = [f"{each}._target_=theirs.part" for each in ("model", "clip", "data", "optimizer")]
    plan, named = tmp_path / "sweep.json", {f"{each}._target_": ["theirs.part"] for each in ("model", "clip", "data")}
    permit_target(words[:3], plan, named)
    with pytest.raises(UserError, match=r"^optimizer\._target_=theirs.part comes from .*; look at it, and allow it"):
        permit_target(words, plan, named)
    for sign in ("", "+", "++"):
        with pytest.raises(UserError, match=rf"^{group}\._target_=theirs.part comes from"):
            permit_target([f"{sign}{group}._target_=theirs.part"], plan, {})
    remember_code(tmp_path, [words], None)
    permit_target(words, plan, {})


def test_what_was_named_holds_for_its_folder_and_its_arguments(tmp_path: Path) -> None:
    words = ["clip=custom", "clip._target_=mine.halve", "clip.arguments={share: 0.5}"]
    remember_code(tmp_path, [words], None)
    permit_target(words, tmp_path / "sweep.json", {})
    for plan, overrides in (
        (tmp_path / "other/sweep.json", words),
        (tmp_path / "sweep.json", [*words[:2], "clip.arguments={share: 0.1}"]),
        (tmp_path / "sweep.json", [words[0], "clip._target_=theirs.halve"]),
        (tmp_path / "sweep.json", [words[0], "++clip._target_=theirs.halve"]),
    ):
        with pytest.raises(UserError, match=r"clip\._target_=.* comes from"):
            permit_target(overrides, plan, {})


@pytest.mark.parametrize(
    "override",
    [
        "hydra.searchpath=[file:///tmp/theirs]",
        "+hydra.searchpath=[file:///tmp/theirs]",
        "hydra/launcher=theirs",
        "hydra.run.dir=/tmp",
        "hydra.launcher.setup=[touch here]",
        "data.label=${oc.env:HOME}",
        "clip=../../../../tmp/theirs",
        "clip=/tmp/theirs",
        "clip={name: custom, _target_: subprocess.Popen}",
        "clip@data=theirs",
        "+model@clip=theirs",
        "optimizer={name: custom, _target_: subprocess.Popen}",
        "trainer._target_=subprocess.Popen",
        "+outcome._target_=subprocess.Popen",
        "_target_=subprocess.Popen",
        "=",
        "clip=(",
    ],
)
def test_hydras_features_are_refused(override: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing else is taken from a plan"):
        check_overrides(["seed=1", override], tmp_path / "sweep.json")


def test_what_sweeps_write_is_taken(tmp_path: Path) -> None:
    kept = ["experiment=quickstart", "model=resnet20", "clip.stages=[stem,0]", "data.label='a, b'", "~experiment",
            "clip.arguments.share=0.5", "model=timm", "data.root=/there/it is", "optimizer.eps=1e-8"]  # fmt: skip
    assert len(check_overrides(kept, tmp_path / "sweep.json")) == len(kept)
    for odd in (5, None, ["seed=1"]):
        with pytest.raises(UserError, match="is no text"):
            check_overrides([odd], tmp_path / "sweep.json")


def test_lines_of_a_submission_are_named_too(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"partition": "main", "setup": ["touch here"], "additional_parameters": {}}
    place = tmp_path / "single/_slurm/now"
    with pytest.raises(UserError, match=r"hydra.launcher.setup=\['touch here'\] comes from .*/now/submission.json"):
        permit_settings(settings, place, {})
    typed = read_runs(["experiment=single", "hydra.launcher.setup=['touch here']"])
    permit_settings(settings, place, typed.named)
    remember_code(tmp_path / "single", [], settings)
    permit_settings(settings, place, {})
    with pytest.raises(UserError, match="additional_parameters"):
        permit_settings({"additional_parameters": {"wrap": "true"}}, place, {})


@pytest.mark.parametrize("key", ["name", "partition", "account", "qos", "constraint"])
def test_a_setting_cannot_add_a_line_to_the_jobs_script(key: str) -> None:
    with pytest.raises(UserError, match=f"hydra.launcher.{key}="):
        SlurmSettings.of({key: "main\ntouch here"})


@pytest.mark.parametrize("job", ["12; touch here", "--help", "12_", ""])
def test_the_number_of_a_job_is_one(job: str, tmp_path: Path) -> None:
    place = tmp_path / "_slurm/now"
    place.mkdir(parents=True)
    content = {"settings": {}, "jobs": [{"run_id": "a", "job": job}]}
    (place / "submission.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        list(submissions(tmp_path))


@pytest.mark.parametrize("run", ["../../elsewhere", "/tmp", "", ".", "_slurm", "a/b", "a\x1b[31m", "r" * 300])
def test_a_plan_cannot_lead_out_of_its_folder(run: str, tmp_path: Path) -> None:
    foreign_plan(tmp_path / "single", ["seed=1"], run)
    with pytest.raises(UserError, match=r"sweep\.json: run "):
        read_plan(tmp_path / "single")
    answer = command_line("report.py", "experiment=quickstart", f"runs_dir={tmp_path}")
    assert answer.returncode == 2
    (tmp_path / "single").rename(tmp_path / "quickstart")
    answer = command_line("report.py", "experiment=quickstart", f"runs_dir={tmp_path}", f"reports_dir={tmp_path}")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "sweep.json: run " in answer.stderr


def test_runs_of_networks_with_odd_names_stay_in_their_folder() -> None:
    words = ("model=timm", "model.family=timm", "model.normalizer=none", "data.train_size=28")
    for name in ("../../elsewhere", "hf-hub:a/b", ".hidden", "n" * 500):
        named = run_id(resolved(*words, f"model.name='{name}'"))
        assert "/" not in named
        assert not named.startswith(".")
        assert len(named) < 200
