"""Words that come to another run, as what they name has changed: what did, and what becomes of the earlier run."""

from pathlib import Path

import pytest
from tests.conftest import resolved

from normfree.runs.attempts import record_attempt
from normfree.runs.own_code import _own_files
from normfree.runs.plan import PLAN, Plan, PlannedRun, add_to_plan, read_plan
from normfree.runs.versions import told, told_left_out, verb, what_changed
from normfree.sweep.follow import Watch
from normfree.sweep.state import count_states, current, run_states, told_earlier

A, B, OTHER = "Net-s0-00000000", "Net-s0-11111111", "Net-s1-22222222"
WORDS = ("model=custom", "model._target_=my_nets.Net", "seed=0")


def changed(earlier: str, later: str) -> tuple[str, ...]:
    return ("my_nets.py",)


def plan(folder: Path) -> Plan:
    found = read_plan(folder)
    assert found is not None
    return found


def add(folder: Path, run: str, words: tuple[str, ...] = WORDS) -> list[str]:
    return add_to_plan(folder, "exp", [PlannedRun(run, words)], {}, None, changed)


def test_a_run_of_the_same_words_supersedes_the_earlier(tmp_path: Path) -> None:
    assert add(tmp_path, A) == []
    assert add(tmp_path, OTHER, (*WORDS[:2], "seed=1")) == []
    told_of_it = "1 run of an earlier version of my_nets.py is left out"
    assert add(tmp_path, B, tuple(reversed(WORDS))) == [f"{told_of_it} of lists and reports"]
    found = plan(tmp_path)
    assert list(found.runs) == [A, OTHER, B], "it stays in the plan"
    assert {run: found.earlier(run) for run in found.runs} == {A: ("my_nets.py",), OTHER: None, B: None}
    assert found.earlier(f"{A}.again-2") == ("my_nets.py",), "a repetition goes with it"
    states = run_states(tmp_path)
    assert [one.run_id for one in current(states)] == [OTHER, B]
    assert told_earlier(states) == [told_of_it]
    watch = Watch(tmp_path)
    (tmp_path / A).mkdir()
    watch.look()
    assert watch.counts() == count_states(current(states)) == "2 runs: 2 planned"
    assert count_states([]) == "0 runs"


def test_the_first_version_again_is_the_one_that_counts(tmp_path: Path) -> None:
    for run in (A, B, A):
        add(tmp_path, run)
    found = plan(tmp_path)
    assert {run: found.earlier(run) for run in found.runs} == {A: None, B: ("my_nets.py",)}


def test_what_is_to_be_trained_anew_where_nothing_is_has_the_same_words(tmp_path: Path) -> None:
    add(tmp_path, A)
    add(tmp_path, B, (*WORDS, "again=false"))
    assert plan(tmp_path).earlier(A) is not None


def test_a_run_whose_later_one_was_taken_out_of_the_plan_counts(tmp_path: Path) -> None:
    add(tmp_path, A)
    add(tmp_path, B)
    text = (tmp_path / PLAN).read_text(encoding="utf-8")
    (tmp_path / PLAN).write_text(text.replace(f'"run_id": "{B}"', f'"run_id": "{OTHER}"'), encoding="utf-8")
    assert plan(tmp_path).earlier(A) is None


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    _own_files.cache_clear()
    return tmp_path


def test_the_files_that_changed_are_named(place: Path) -> None:
    (place / "edited_clip.py").write_text("from edited_helper import g\n\ndef f(parameters): g()\n", encoding="utf-8")
    (place / "edited_helper.py").write_text("def g(): pass\n", encoding="utf-8")
    config = resolved("clip=custom", "clip._target_=edited_clip.f").config
    run = place / "runs/exp/run"
    assert what_changed(run, config) == ("conf/", "edited_clip.py", "edited_helper.py"), "it was never started"
    sources = {name: place / name for name in ("edited_clip.py", "edited_helper.py")}
    record_attempt(run, 1, {}, "", sources)
    assert what_changed(run, config) == ("conf/",)
    (place / "edited_helper.py").write_text("def g(): return 1\n", encoding="utf-8")
    assert what_changed(run, config) == ("edited_helper.py",)
    assert what_changed(run, resolved("clip=agc").config) == ("edited_clip.py", "edited_helper.py")
    assert what_changed(place / "runs/exp/none", resolved("clip=agc").config) == ("conf/",)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.py"], "a.py has"),
        (["a.py", "b.py"], "a.py and b.py have"),
        (["conf/", "a.py"], "conf/ or a.py has"),
        (["a.py", "b.py", "c.py", "d.py", "e.py"], "a.py, b.py, c.py and 2 more have"),
    ],
)
def test_names_are_told_in_words(names: list[str], said: str) -> None:
    assert f"{told(names)} {verb(names, 'has', 'have')}" == said


def test_runs_are_counted_by_what_has_changed() -> None:
    assert told_left_out([("b.py",), ("a.py",), ("b.py",), ()]) == [
        "1 run of an earlier version of a.py is left out",
        "2 runs of an earlier version of b.py are left out",
        "1 run of an earlier version of conf/ is left out",
    ]
