"""A search from its first trial to the runs after it, with training and timing stood in for."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY, composed

from normfree.config import UserError
from normfree.runs import run_id
from normfree.study.trials import latencies_of, read_files, trials_of
from normfree.sweep.account import SweepEnd
from normfree.sweep.planned import resolved_of
from normfree.sweep.trials import drive, worker
from normfree.sweep.trials.block import Search, parse
from normfree.sweep.trials.drive import run_trials
from normfree.sweep.trials.record import LATENCY_FILE, TRIALS_FILE
from normfree.sweep.trials.timing import Latency, Measured

SPACE: dict[str, Any] = {
    "model.depth": [[1, 1, 1], [1, 2, 1], [2, 2, 2]],
    "model.activation": ["relu", "gelu", "silu", "tanh"],
}
BUDGET = 4.5


class Stand:
    """In the place of the processes that train and time: what comes of a run is a function of its words."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.arguments = [f"runs_dir={folder}", "experiment.name=tiny", *TINY]
        self.trained: list[list[str]] = []
        self.after: list[tuple[list[str], list[str]]] = []
        self.rule: Callable[[list[str]], tuple[str, float]] = _finishes
        self.interrupt = 10**9
        stand = self

        class Round:
            def __init__(self, *_: Any) -> None:
                pass

            def refusal(self, words: Sequence[str]) -> str:
                refused = "model.activation=tanh" in words and "model.depth=[2,2,2]" in words
                return "no such network" if refused else ""

            def train(self, planned: Any, workers: int) -> tuple[dict[str, Any], bool]:
                results = {}
                for words, _ in planned:
                    if len(stand.trained) >= stand.interrupt:
                        return results, True
                    stand.trained.append(words)
                    status, accuracy = stand.rule(words)
                    metrics = {} if status == "diverged" else {"validation/accuracy": accuracy}
                    result = {"status": status, "reason": "why", "metrics": metrics}
                    results[run_id(resolved_of(words, compose))] = result
                return results, False

        class Stopwatch:
            def __init__(self, *_: Any) -> None:
                pass

            def measure(self, runs: Sequence[Any], reference_ms: float | None) -> Measured:
                blocks = [float(sum(run.config.model.depth or (1, 1))) for run in runs]
                found = tuple(Latency(each, each - 0.1, each + 0.1) for each in blocks)
                return Measured(found, reference_ms or 2.0, "CPU", "cpu")

        @contextmanager
        def nothing(*_: Any) -> Any:
            yield None

        def after(planned: Any, *_: Any) -> SweepEnd:
            self.after = list(planned)
            return SweepEnd(folder=folder)

        for name, stood in {
            "Round": Round, "Stopwatch": Stopwatch, "Aside": nothing, "run_sweep": after,
            "get_ready": lambda *_: None, "without_torch": lambda *_: None,
        }.items():  # fmt: skip
            for place in (drive, worker):
                if hasattr(place, name):
                    monkeypatch.setattr(place, name, stood)
        self.folder = folder / "tiny"

    def run(self, **more: Any) -> SweepEnd:
        return run_trials(self.search(**more), self.arguments, [], compose, workers=1)

    def search(self, **more: Any) -> Search:
        usual = {
            "base": "model=nfnet_nano clip=agc", "space": SPACE, "number": 10, "startup": 3,
            "short": {"share": 0.5, "after": 2},
            "latency": {"budget_ms": BUDGET}, "rerun": {"members": 2, "seeds": "0,1"},
            "beside": ["model=nfnet_nano clip=agc", "model=resnet20 clip=none"],
        }  # fmt: skip
        return parse(usual | more, self.arguments)

    def outcomes(self) -> dict[str, int]:
        trials = trials_of(read_files(self.folder))
        assert trials is not None
        return {str(name): int(count) for name, count in trials["outcome"].value_counts().items()}


def compose(words: Sequence[str]) -> Any:
    return composed(*(word for word in words if not word.startswith("experiment=")))


def _finishes(words: list[str]) -> tuple[str, float]:
    """Better with more blocks and with silu; with tanh it diverges, with gelu and one block it is untrained."""
    depth = next((word for word in words if word.startswith("model.depth=")), "model.depth=[1,1,1]")
    if "model.activation=tanh" in words:
        return "diverged", 0.0
    blocks = sum(map(int, depth.partition("[")[2].rstrip("]").split(",")))
    accuracy = 0.1 * blocks + 0.05 * ("model.activation=silu" in words)
    whole = "steps=4" not in words
    return ("untrained" if whole and "model.activation=relu" in words else "finished"), accuracy


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    return Stand(monkeypatch, tmp_path)


def test_every_trial_is_counted_by_what_became_of_it(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    end = stand.run()
    assert end.complete
    counts = stand.outcomes()
    assert sum(counts.values()) == 10
    assert counts["over budget"] >= 2
    assert counts["diverged"] >= 1
    said = capsys.readouterr().out
    assert sum(line.startswith("trial ") for line in said.splitlines()) == 10
    assert f"10 trials: {counts['finished']} finished" in said
    assert "(the budget is 4.5 ms)" in said
    over = [words for words in stand.trained if "model.depth=[2,2,2]" in words]
    assert not over, "what is over the budget is not trained"
    short = [words for words in stand.trained if "steps=4" in words]
    whole = [words for words in stand.trained if "steps=4" not in words]
    assert len(whole) == counts["finished"] + counts.get("untrained", 0)
    assert all("epochs=null" in words for words in short)


def test_the_best_are_trained_with_further_seeds_beside_the_others(stand: Stand) -> None:
    stand.run()
    grids = [names for _, names in stand.after]
    assert all(words[-1] in ("seed=0", "seed=1") for words, _ in stand.after)
    assert sum("front" in names for names in grids) in (2, 4)
    assert sum("most_accurate" in names for names in grids) == 2
    assert sum(names == ["beside"] for names in grids) == 4
    rows = latencies_of(read_files(stand.folder))
    assert len(rows) == len({(tuple(words[:-1])) for words, _ in stand.after})
    before = (stand.folder / LATENCY_FILE).stat().st_mtime_ns
    trained = len(stand.trained)
    stand.run()
    assert len(stand.trained) == trained, "the same command again trains nothing"
    assert (stand.folder / LATENCY_FILE).stat().st_mtime_ns == before, "and times nothing"
    stand.run(number=11)
    assert sum(stand.outcomes().values()) == 11, "more trials are of the same search"


def test_ctrl_c_leaves_the_trial_to_the_same_command(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.interrupt = 3
    end = stand.run()
    assert end.interrupted
    assert "the same command goes on with the trials" in capsys.readouterr().err
    before = stand.outcomes()
    assert before["running"] == 1
    stand.interrupt = 10**9
    stand.run()
    assert sum(stand.outcomes().values()) == 10
    assert "running" not in stand.outcomes()
    assert len({tuple(words) for words in stand.trained}) == len(stand.trained), "none twice"


def test_a_failed_run_fails_its_trial_and_the_same_command_tries_it_again(stand: Stand) -> None:
    broken = [True]

    def rule(words: list[str]) -> tuple[str, float]:
        return ("failed", 0.0) if broken and broken.pop() else _finishes(words)

    stand.rule = rule
    assert not stand.run().complete
    assert stand.outcomes()["failed"] == 1
    assert stand.run().complete, "it was tried again"
    trials = trials_of(read_files(stand.folder))
    assert trials is not None
    assert len(trials) == 11
    assert trials["retry_of"].notna().sum() == 1
    assert (trials["outcome"] == "failed").sum() == 1


def test_a_budget_that_nothing_meets_names_the_nearest_and_leaves_nothing(stand: Stand) -> None:
    with pytest.raises(UserError) as caught:
        stand.run(latency={"budget_ms": 1})
    told = str(caught.value)
    assert told.startswith(
        "experiment.trials.latency.budget_ms=1: none of 3 networks of the space meets it; the nearest "
    )
    assert "nearest takes 3 ms (model.depth=[1,1,1]" in told
    assert not (stand.folder / TRIALS_FILE).exists()
    assert not stand.trained


REFUSED: list[tuple[dict[str, Any], list[str], str]] = [
    ({"space": {"model.activation": ["relu"], "model.depth": ["x"]}, "number": 1}, [], "model.depth"),
    (
        {"space": {"optimizer.momentum": [0.9, 2.0]}, "number": 2},
        [],
        "trials.space.optimizer.momentum=2.0: opt",
    ),
    ({}, ["again=true"], "again=true: a search goes on from the trials that there are; leave it out"),
    ({}, ["sweep.detach=true"], "sweep.detach=true: a search ends with its command; leave it out"),
]


@pytest.mark.parametrize(("more", "words", "told"), REFUSED)
def test_what_is_wrong_is_told_before_anything_is_trained(
    stand: Stand, more: dict[str, Any], words: list[str], told: str
) -> None:
    stand.arguments += words
    with pytest.raises(Exception, match=r".") as caught:
        stand.run(**more)
    assert told in str(caught.value)
    assert not stand.trained


def test_slurm_is_told_how_it_is_done_there(stand: Stand) -> None:
    with pytest.raises(UserError, match=r"as tasks of a job array, each with hydra\.launcher\.workers=1"):
        run_trials(stand.search(), stand.arguments, [], compose, slurm={})


def test_another_space_under_the_same_name_is_refused(stand: Stand) -> None:
    stand.run()
    with pytest.raises(UserError, match="are of another search, with another space, base, data, steps or recipe"):
        stand.run(space={**SPACE, "model.depth": [[1, 2, 2], [1, 1, 1], [1, 2, 1]]})


def test_one_objective_needs_no_timing(stand: Stand) -> None:
    end = stand.run(objectives="accuracy", latency=None, short=None, number=8)
    assert end.complete
    counts = stand.outcomes()
    assert sum(counts.values()) == 8
    assert "over budget" not in counts
    assert not (stand.folder / LATENCY_FILE).exists()
