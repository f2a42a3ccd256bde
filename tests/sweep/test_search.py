"""A sweep that looks for edges: rounds from the results that there are, and what is told at the end."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY, command_line, composed

from normfree.config import UserError, resolve
from normfree.runs import RunDirectory
from normfree.sweep import search
from normfree.sweep.account import SweepEnd
from normfree.sweep.search import run_search
from normfree.sweep.searches import Scan, Search

LR = Search("lr", 0.1, 1.0, 8, ("finished",))


class Trained:
    """Stands for training: every run has the outcome that ``outcome(arm, rate)`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: Any, end: SweepEnd) -> None:
        self.rounds: list[list[str]] = []
        self._outcome, self._end, self._place = outcome, end, tmp_path
        self._results: dict[Path, Any] = {}
        monkeypatch.setattr(search, "run_sweep", self._run)
        monkeypatch.setattr(search, "standing", lambda directory: self._results.get(directory.path))

    def scan(self, model: str, seed: int = 0) -> Scan:
        return Scan((f"runs_dir={self._place}", f"model={model}", "clip=none", f"seed={seed}"), LR, ("edge",))

    def _run(self, planned: Sequence[tuple[list[str], list[str]]], *_: Any) -> SweepEnd:
        self.rounds.append([f"{words[1].removeprefix('model=')} {words[-1]}" for words, _ in planned])
        assert all(grids == ["edge"] for _, grids in planned)
        for words, _ in planned:
            status = self._outcome(words[1].removeprefix("model="), float(words[-1].removeprefix("lr=")))
            self._results.setdefault(RunDirectory.of(resolve(composed(*words), words)).path, {"status": status})
        return self._end


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def make(outcome: Any, end: SweepEnd | None = None) -> Trained:
        return Trained(monkeypatch, tmp_path, outcome, end or SweepEnd())

    return make


def look(scans: Sequence[Scan]) -> SweepEnd:
    return run_search([], scans, lambda words: composed(*words))


def test_rounds_go_on_until_every_cell_knows_its_edge(trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def outcome(model: str, rate: float) -> str:
        return "finished" if rate < (1.0 if model == "nf_resnet20" else 4.0) else "diverged"

    made = trained(outcome)
    scans = [made.scan("nf_resnet20", seed) for seed in (0, 1)] + [made.scan("resnet20", 0)]
    assert look(scans) == SweepEnd()
    models = ("nf_resnet20", "nf_resnet20", "resnet20")
    assert made.rounds[0] == [f"{model} lr={rate}" for model in models for rate in (0.1, 25.6)]
    assert len(made.rounds) == 4, "both ends, then three halvings of eight octaves"
    assert len(made.rounds[-1]) == 3 * 5, "a round plans what was tried before too"
    said = capsys.readouterr().out
    assert "highest lr at which a run is finished, to a factor of 2:" in said
    assert "model=nf_resnet20       0.8  (0.8 to 0.8, n = 2)" in said
    assert "model=resnet20          3.2  (3.2 to 3.2, n = 1)" in said
    made.rounds.clear()
    look(scans)
    assert len(made.rounds) == 1, "all is there: one sweep says so"
    assert capsys.readouterr().out.splitlines()[-3:] == said.splitlines()[-3:]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("finished", "search.lr: all seed=0,1: still trains at the upper end of lr from 0.1 to 25.6; give to: 409.6"),
        ("diverged", "search.lr: all seed=0,1: trains at neither end of lr from 0.1 to 25.6; give from: 0.00625"),
        ("failed", "search.lr: all seed=0,1: no result at lr=0.1, 25.6; the same command tries it again"),
    ],
)
def test_where_there_is_no_edge_one_line_says_what_to_try(
    trained: Any, capsys: pytest.CaptureFixture[str], outcome: str, told: str
) -> None:
    made = trained(lambda model, rate: outcome)
    assert look([made.scan("resnet20", seed) for seed in (0, 1)]).complete is False
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)
    assert len(made.rounds) == 1


def test_results_that_are_in_no_order_are_told(trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing = (1.6, 25.6)
    made = trained(lambda model, rate: "diverged" if rate in failing else "finished")
    scan = made.scan("resnet20")
    made._run([(scan.at(point), ["edge"]) for point in range(9)])
    assert look([scan]) == SweepEnd()
    assert "fails at lr=1.6 and trains again up to 12.8, which is told" in capsys.readouterr().err


def test_an_interrupted_round_is_the_last(trained: Any) -> None:
    end = SweepEnd(complete=False, interrupted=True)
    made = trained(lambda model, rate: "finished" if rate < 1 else "diverged", end)
    assert look([made.scan("resnet20")]) == end
    assert len(made.rounds) == 1


def test_runs_that_are_to_be_trained_anew_are_refused(trained: Any) -> None:
    made = trained(lambda model, rate: "finished")
    scan = made.scan("resnet20")
    with pytest.raises(UserError, match="again=true: a search goes on from the results"):
        look([Scan((*scan.overrides, "again=true"), LR)])


EXPERIMENT = """\
# @package _global_
hydra: {mode: MULTIRUN}
experiment:
  name: edge
  question: Where is the edge?
  grids:
    edge:
      arms: [model=nf_resnet20 clip=none]
      search: {key: lr, from: 0.05, to: 12.8, resolution: 2, trains: [finished, untrained]}
      seed: 0
    low:
      search: {key: lr, from: 0.01, to: 0.02, resolution: 1, trains: [finished, untrained]}
      seed: 0
    plain: {lr: 0.4, seed: "0"}
"""


@pytest.mark.cli
def test_a_search_trains_ordinary_runs_of_its_experiment(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "edge.yaml").write_text(EXPERIMENT)
    words = ("experiment=edge", *TINY, "trainer=cpu")
    plan = command_line("train.py", *words, "plan=true", cwd=tmp_path)
    assert "search: 2 scans of at most 4 runs; the whole is at most 6 runs with 48 optimizer steps" in plan.stdout
    first, again = (command_line("train.py", *words, cwd=tmp_path, timeout=240) for _ in range(2))
    assert first.returncode == again.returncode == 1, first.stderr
    assert "search.lr: all seed=0: still trains at the upper end of lr from 0.01 to 0.02; give to: 0.32" in first.stderr
    assert "all 7 runs of edge have their results" in again.stdout
    assert first.stdout.splitlines()[-4:] == again.stdout.splitlines()[-4:]
    planned = json.loads((tmp_path / "runs" / "edge" / "sweep.json").read_text())["runs"]
    assert sorted(each["grids"][0] for each in planned) == ["edge"] * 4 + ["low"] * 2 + ["plain"]
    assert len(list((tmp_path / "runs" / "edge").glob("*/result.json"))) == 7
