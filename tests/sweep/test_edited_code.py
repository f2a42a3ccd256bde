"""A network of the user's own that is edited between two sweeps of the same words: each command in turn."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from omegaconf import DictConfig
from tests.conftest import TINY, command_line, composed

from normfree import api
from normfree.config import UserError
from normfree.report.facts import limits
from normfree.study.opened import opened
from normfree.study.stored import about, is_stored, stored
from normfree.sweep.command import runs
from normfree.sweep.keys import read_runs
from normfree.sweep.sweep import run_sweep

NETS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, num_classes))

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)))


class Boom(Net):
    def forward(self, x):
        if self.training and len(x) == 50:
            raise RuntimeError("boom")
        return super().forward(x)
"""
LEFT_OUT = "2 runs of an earlier version of my_nets.py are left out"


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two sweeps with an edit between them; what was said, and the folder."""
    folder = tmp_path_factory.mktemp("edited")
    words = (
        "-m",
        "model=custom",
        "model._target_=my_nets.Boom,my_nets.Net",
        *TINY,
        "trainer=cpu",
        "experiment.name=bb",
    )
    said = {"folder": str(folder)}

    def call(name: str, *command: str) -> None:
        answer = command_line(*command, cwd=folder)
        said[name] = answer.stdout + answer.stderr

    (folder / "my_nets.py").write_text(NETS, encoding="utf-8")
    call("first", "train.py", *words)
    (folder / "my_nets.py").write_text(NETS.replace("conv = nn", "conv = 1 and nn"), encoding="utf-8")
    call("refused", "runs.py", "experiment=bb", "retry=failed")
    call("second", "train.py", *words)
    call("retried", "runs.py", "experiment=bb", "retry=failed")
    return said


@pytest.fixture
def here(edited: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(edited["folder"])
    return Path(edited["folder"])


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(*words: str) -> str:
        assert runs(read_runs(words)) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.cli
def test_a_retry_says_what_has_changed_and_later_takes_the_new_runs(edited: dict[str, str]) -> None:
    assert "2 runs: 1 finished, 1 failed" in edited["first"] or "2 runs: 1 untrained, 1 failed" in edited["first"]
    assert "error: retry: my_nets.py has changed, run Boom-" in edited["refused"]
    assert f"{LEFT_OUT} of lists and reports" in edited["second"]
    assert "1 run: 1 failed" in edited["retried"]


@pytest.mark.cli
def test_earlier_runs_are_told_and_not_listed(here: Path, said: Callable[..., str]) -> None:
    text = said("experiment=bb", "all=true")
    assert len([line for line in text.splitlines() if line.startswith(("Net-", "Boom-"))]) == 2
    assert "\n2 runs: " in text
    assert f"\n{LEFT_OUT}\n" in text
    assert "bb " in said()
    assert "2 runs: " in said()
    assert LEFT_OUT in said("experiment=bb", "retry=preempted")


@pytest.mark.cli
def test_earlier_runs_are_in_no_table_and_the_report_tells_it(here: Path, tmp_path: Path) -> None:
    table = api.find_runs("bb")
    assert sorted(table["model.name"]) == ["Boom", "Net"]
    study = opened("bb", [], here / "runs")
    assert any(one.startswith(f"{LEFT_OUT}, as a later sweep") for one in limits(study))
    assert study.collection.unplanned == ()
    (tmp_path / "collection.json").write_bytes(about(study.collection, ()))
    (tmp_path / "runs.csv").write_text("run_id,arm_id\nx,y\n", encoding="utf-8")
    assert is_stored(tmp_path)
    assert stored(tmp_path).earlier == study.collection.earlier == (LEFT_OUT,)


@pytest.mark.cli
def test_runs_that_differ_in_own_code_are_told_so(here: Path, said: Callable[..., str]) -> None:
    one, other = sorted(path.name for path in (here / "runs/bb").glob("Net-*"))
    text = said(f"compare=bb/{one},bb/{other}")
    assert "own code: my_nets.py differs; see it with: diff -r runs/bb/" in text
    assert "no difference" not in text
    assert "own code" not in said(f"compare={one},{one}")
    with pytest.raises(
        UserError, match=r"2 runs have this in their names \(bb/Net-\S+, bb/Net-\S+\); give one"
    ) as error:
        runs(read_runs([f"compare=Net-,{one}"]))
    offered = str(error.value).partition("(")[2].partition(")")[0].split(", ")
    assert f"a: runs/{offered[0]}\nb: runs/{offered[1]}" in said(f"compare={','.join(offered)}")


@pytest.mark.cli
def test_weights_that_were_cleaned_are_told_so(here: Path, said: Callable[..., str]) -> None:
    earlier = said("experiment=bb", "clean=checkpoints", "yes=true")
    assert "of 2 runs would free" in earlier, "those of earlier code take room too"
    run = next((here / "runs/bb").glob("Net-*"))
    with pytest.raises(UserError, match=r"final.ckpt: there is none; .* removed later, as runs.py clean=.* again=true"):
        _ = api.load_run(run).network


@pytest.mark.parametrize("when", ["between two runs", "after them"])
def test_code_that_changes_while_the_runs_are_planned_is_one_line(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("normfree.sweep.sweep._get_ready", lambda *given: None)
    file = tmp_path / "nets_being_written.py"
    file.write_text("class Net: ...\n", encoding="utf-8")
    (tmp_path / "nets_of_before.py").write_text("", encoding="utf-8")

    def edit(*given: object, **named: object) -> None:
        file.write_text("class Net:\n    wide = True\n", encoding="utf-8")

    def compose(overrides: Sequence[str]) -> DictConfig:
        if when == "between two runs" and "seed=1" in overrides:
            edit()
        return composed(*overrides)

    monkeypatch.setattr(
        "normfree.sweep.sweep.refuse_wrong", edit if when == "after them" else lambda *given, here: None
    )
    words = ["model=custom", "model._target_=nets_being_written.Net", "model.normalizer=none", *TINY, "runs_dir=runs"]
    with pytest.raises(UserError) as told:
        run_sweep([([*words, "seed=0"], []), ([*words, "seed=1"], [])], compose)
    assert str(told.value) == "nets_being_written.py has changed while the runs were planned; start the command again"
    assert not (tmp_path / "runs").exists()
