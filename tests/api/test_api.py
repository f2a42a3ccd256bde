"""The Python interface: what a notebook gets for what the commands do."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from tests.conftest import ROOT, TINY

from normfree import api
from normfree.config import UserError

FIXTURES = ROOT / "tests" / "report" / "fixtures"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(place: Path) -> api.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return api.run([*TINY, "optimizer.ema_decay=0.9", f"runs_dir={place}"], progress=False)


def test_a_run_is_what_the_command_makes(trained: api.Run, place: Path) -> None:
    assert trained.path.parent == place / "single"
    assert trained.status in ("finished", "untrained")
    assert trained.result == json.loads((trained.path / "result.json").read_text(encoding="utf-8"))
    assert trained.accuracy == trained.result["metrics"]["test/accuracy"]
    assert list(trained.metrics["step"])[:4] == [2, 4, 6, 8]
    assert trained.config["batch"] == 50
    assert trained.run_id in trained._repr_html_()


def test_a_run_that_has_its_result_is_returned(trained: api.Run, place: Path, capsys: Any) -> None:
    before = (trained.path / "result.json").stat().st_mtime_ns
    again = api.run([*TINY, "optimizer.ema_decay=0.9", f"runs_dir={place}"])
    assert (again.path / "result.json").stat().st_mtime_ns == before
    assert again.result == trained.result
    assert capsys.readouterr().out == ""


def test_again_trains_it_anew_and_it_is_no_other_row(tmp_path: Path) -> None:
    words = [*TINY, f"runs_dir={tmp_path}"]
    first, anew = api.run(words, progress=False), api.run([*words, "again=true"], progress=False)
    assert anew.run_id == f"{first.run_id}.again-2"
    assert anew.result["metrics"] == first.result["metrics"]
    assert all(map(torch.equal, anew.network.state_dict().values(), first.network.state_dict().values()))
    assert list(api.find_runs("single", tmp_path)["run_id"]) == [first.run_id]


def test_random_states_are_as_before(place: Path, capsys: Any) -> None:
    torch.manual_seed(3)
    random.seed(5)
    expected = torch.rand(1), random.random()
    torch.manual_seed(3)
    random.seed(5)
    api.run([*TINY, "seed=7", f"runs_dir={place}"])
    assert "step 8/8" in capsys.readouterr().out
    assert (torch.rand(1), random.random()) == expected


def test_the_network_has_the_weights_of_the_run(trained: api.Run) -> None:
    found = api.load_run(trained.path)
    stored = torch.load(found.path / "checkpoints" / "final.ckpt", weights_only=True)["state_dict"]
    state = found.network.state_dict()
    assert all(torch.equal(stored[f"network.{name}"], value) for name, value in state.items())
    assert not found.network.training
    assert found.network(torch.zeros(2, 1, 7, 7)).shape == (2, 10)
    averaged = found.load_network(weights="ema").state_dict()
    assert any(not torch.equal(value, averaged[name]) for name, value in state.items())


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: api.run("model=resnet20"), r"^overrides='model=resnet20': give a list of texts, such as \["),
        (lambda: api.run(["seed=1", 2]), r"^overrides: 2 is no text; give key=value"),  # type: ignore[list-item]
        (lambda: api.run(["model=resnet21"]), r"^model=resnet21: no such option; did you mean resnet20\?"),
        (lambda: api.run(["bach=3"]), r"^bach(=3)?: no such key; did you mean batch\?$"),
        (lambda: api.run(["micro_batch=3"]), r"^micro_batch(=3)?: no such key; did you mean trainer.micro_batch\?$"),
        (
            lambda: api.run(["norm_batch=3"]),
            r"^norm_batch(=3)?: no such key; it is worked out: write trainer.micro_batch=",
        ),
        (lambda: api.run(["batch=1e9"]), r"^batch=1000000000.0: not a whole number; write batch=1000000000$"),
        (lambda: api.run(["seed=1,2"]), r"^seed=1,2: several values make a sweep; use api.sweep"),
        (lambda: api.run(["plan=true"]), r"^plan=true: is printed by the command, normfree train; leave it out"),
        (lambda: api.sweep(["clip=none,norm", "plan=true"]), r"^plan=true: is printed by the command"),
        (lambda: api.run(["-m"]), r"^overrides: '-m' is a flag of the command; api.sweep needs none$"),
        (lambda: api.sweep(["-m", "seed=0,1"]), r"^overrides: '-m' is a flag of the command; api.sweep needs none$"),
        (lambda: api.run(["--lr", "0.1"]), r"^overrides: '--lr' is a flag of the command; give key=value, such as"),
        (lambda: api.run(["model=null"]), r"^model=null: model is never empty; leave it away, or choose one of"),
        (lambda: api.run(["model.name=foo"]), r"unknown model 'foo'; .*; normfree.list_models\(\) has all$"),
        (lambda: api.find_runs("quickstart", "nowhere"), r"make them with: api.sweep\(\['experiment=quickstart'\]\)$"),
        (lambda: api.report("quickstart", "nowhere"), r"make them with: api.sweep\(\['experiment=quickstart'\]\)"),
        (lambda: api.report("quickstat"), r"^experiment=quickstat: no such experiment, did you mean 'quickstart'\?; "),
        (lambda: api.run([], conf="nowhere"), r"nowhere: no configuration there"),
        (lambda: api.run(["data=cifar10"]), r"^data=cifar10: no images, data.root is not set"),
        (lambda: api.sweep(["clip=non,agc"]), r"^clip=non: no such option; did you mean none\?"),
        (lambda: api.load_run("nowhere"), r"^run=nowhere: there is no such folder; give a run directory"),
        (lambda: api.find_runs("nowhere"), r"^experiment=nowhere: no runs in runs"),
        (lambda: api.find_runs("../runs"), r"^experiment=../runs: "),
        (lambda: api.report("nowhere"), r"nowhere"),
    ],
)
def test_mistakes_are_one_line(call: Any, line: str) -> None:
    with pytest.raises(UserError, match=line) as error:
        call()
    assert "\n" not in str(error.value)


def test_weights_that_are_not_there(trained: api.Run) -> None:
    with pytest.raises(UserError, match=r"^checkpoint=first: choose from final, best$"):
        trained.load_network("first")
    with pytest.raises(UserError, match=r"best.ckpt: there is none; the run was trained without trainer.eval"):
        trained.load_network("best")


def test_a_run_that_fails_raises_and_is_recorded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("normfree.train.run.fit", lambda *_: 1 / 0)
    with pytest.raises(api.RunFailed, match="failed: ZeroDivisionError: division by zero") as error:
        api.run([*TINY, "seed=3", f"runs_dir={place}"])
    assert "Traceback" in error.value.run.result["traceback"]
    assert api.load_run(error.value.run.path).status == "failed"


def test_runs_of_an_experiment_are_a_table() -> None:
    table = api.find_runs("demo", FIXTURES / "sweeps")
    assert {"run_id", "status", "seed", "clip.name", "lr", "test/accuracy", "path"} <= set(table)
    assert {"finished", "diverged", "untrained"} <= set(table["status"])
    assert table["test/accuracy"].dtype == float
    assert all(Path(path).name == run for path, run in zip(table["path"], table["run_id"], strict=True))


def test_a_report_is_figures_and_tables() -> None:
    report = api.report("demo", FIXTURES / "sweeps", FIXTURES / "experiments")
    assert next(iter(report.figures)) == "main"
    for figure in report.figures.values():
        assert figure._repr_png_().startswith(b"\x89PNG")
        assert b"<svg" in figure.files["svg"]
    assert set(report.tables) == {"runs", "arms", "series", "failures"}
    assert list(report.tables["runs"]["run_id"]) == list(api.find_runs("demo", FIXTURES / "sweeps")["run_id"])
    assert isinstance(report.tables["arms"], pd.DataFrame)
    assert set(report.verdicts["verdict"]) <= {"supported", "refuted", "inconclusive"}
    assert report._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html')
    assert "sandbox" in report._repr_html_()


@pytest.mark.cli
def test_a_sweep_gives_its_table(place: Path, capsys: Any) -> None:
    few = (*TINY, "steps=2", "optimizer.warmup_steps=1", f"runs_dir={place}", "experiment.name=swept")
    table = api.sweep([*few, "clip=none,agc", "seed=0,1"])
    assert "4/4 runs done" in capsys.readouterr().out
    assert sorted(zip(table["clip.name"], table["seed"], strict=True)) == [
        ("agc", 0), ("agc", 1), ("none", 0), ("none", 1)
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"^batch=5000: "):
        api.sweep([*few, "batch=50,5000"])
