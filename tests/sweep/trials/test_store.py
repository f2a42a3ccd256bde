"""Trials in their storage: proposed by seed and history, taken up again, told, and told apart from another search's."""

import builtins
import fcntl
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from normfree.config import UserError
from normfree.sweep.trials.block import Search, parse
from normfree.sweep.trials.journal import JOURNAL
from normfree.sweep.trials.owners import FOLDER, Owner
from normfree.sweep.trials.store import Store
from normfree.sweep.trials.trial import FAILED, FINISHED, PRUNED, RUNNING, Trial

SPACE: dict[str, Any] = {"lr": {"from": 0.01, "to": 1.0, "log": True}, "model.activation": ["relu", "gelu", "silu"]}


def searched(**more: Any) -> Search:
    usual = {"space": SPACE, "objectives": "accuracy", "number": 12, "startup": 4, "latency": None}
    return parse(usual | more, [])


def opened(folder: Path, owner: Owner, search: Search | None = None, signature: str = "one") -> Store:
    return Store(folder, "a", search or searched(), owner, {"space": signature, "seed": [1, 2]})


def accuracy(trial: Trial) -> float:
    return float(1 - abs(trial.values["lr"] - 0.3))


def taken(store: Store, most: int = 99) -> list[Trial]:
    """Trials as they are proposed, each told before the next."""
    found: list[Trial] = []
    while len(found) < most and (trial := store.take([])) is not None:
        found.append(trial)
        store.conclude(trial, PRUNED if trial.number % 3 == 2 else FINISHED, accuracy=accuracy(trial))
    return found


def test_proposals_follow_from_the_sampler_seed_and_what_is_known(tmp_path: Path) -> None:
    words = []
    for name, parts in (("whole", [99]), ("again", [99]), ("in_parts", [1, 5, 99])):
        (folder := tmp_path / name).mkdir()
        found: list[Trial] = []
        for part in parts:  # another process each time
            with Owner(folder) as owner:
                found += taken(opened(folder, owner), part)
        assert [trial.number for trial in found] == list(range(12))
        words.append([trial.words for trial in found])
    assert words[0] == words[1] == words[2]
    assert len(set(words[0])) == 12, "none twice"
    (folder := tmp_path / "other").mkdir()
    with Owner(folder) as owner:
        other = taken(opened(folder, owner, searched(sampler_seed=1)), 99)
    assert [trial.words for trial in other] != words[0]


def test_a_small_space_is_tried_whole_and_no_combination_twice(tmp_path: Path) -> None:
    with Owner(tmp_path) as owner:
        search = searched(space={"model.activation": ["relu", "gelu", "silu"], "model.se_ratio": [0, 0.5]}, number=6)
        store = Store(tmp_path, "a", search, owner, {})
        found = []
        while (trial := store.take([])) is not None:
            store.conclude(trial, FINISHED, accuracy=0.5)
            found.append(trial.words)
    assert len(set(found)) == len(found) == 6


def test_what_a_killed_process_has_left_is_taken_up_once(tmp_path: Path) -> None:
    with Owner(tmp_path) as first:
        left = opened(tmp_path, first).take([])
        assert left is not None
        with Owner(tmp_path) as second:
            beside = opened(tmp_path, second).take([])
            assert beside is not None
            assert beside.number == 1, "the first is alive"
    with Owner(tmp_path) as third, Owner(tmp_path) as fourth:
        stores = [opened(tmp_path, third), opened(tmp_path, fourth)]
        again = [store.take([]) for store in (*stores, *stores)]
        assert [trial.number for trial in again if trial] == [0, 1, 2, 3]
        assert again[0] is not None
        assert again[0].words == left.words
        assert {trial.outcome for trial in stores[0].trials()} == {RUNNING}
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["lock"], "nothing is left of them"


def test_a_failed_trial_is_told_and_tried_once_more(tmp_path: Path) -> None:
    with Owner(tmp_path) as owner:
        store = opened(tmp_path, owner, searched(number=2))
        first = store.take([])
        assert first is not None
        store.conclude(first, FAILED, reason="the disk is full")
        again, retries = [], [0]
        while (trial := store.take(retries)) is not None:
            store.conclude(trial, FINISHED, accuracy=0.5)
            again.append(trial)
        assert [(trial.number, trial.retry_of) for trial in again] == [(1, 0), (2, None)]
        assert again[0].words == first.words
        assert store.take([0]) is None, "it was tried again"
        assert [trial.outcome for trial in store.trials()] == [FAILED, FINISHED, FINISHED]


def test_what_is_known_of_a_trial_stays(tmp_path: Path) -> None:
    with Owner(tmp_path) as owner:
        store = opened(tmp_path, owner)
        trial = store.take([])
        assert trial is not None
        store.note(trial, latency=[1.0, 0.9, 1.1], short_accuracy=0.25)
        store.conclude(trial, PRUNED)
        store.conclude(trial, FAILED)  # by another process, too late
        (found,) = store.trials()
        assert (found.outcome, found.facts) == (PRUNED, {"latency": [1.0, 0.9, 1.1], "short_accuracy": 0.25})
        assert store.reference_ms is None
        assert [store.set_reference(2.0), store.set_reference(3.0)] == [2.0, 2.0]


def test_another_search_in_the_same_place_is_refused(tmp_path: Path) -> None:
    with Owner(tmp_path) as owner:
        opened(tmp_path, owner)
        with pytest.raises(UserError, match=r"are of another search, with another space; give experiment.name=OTHER"):
            opened(tmp_path, owner, signature="two")


def test_half_a_line_at_the_end_of_a_journal_is_taken_away_and_a_broken_one_is_told(tmp_path: Path) -> None:
    with Owner(tmp_path) as owner:
        taken(opened(tmp_path, owner), 2)
        path = tmp_path / JOURNAL
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"op_code": 4, "worker')
        assert len(opened(tmp_path, owner).trials()) == 2
        assert path.read_bytes() == whole
        path.write_bytes(b"no journal\n" + whole)
        with pytest.raises(UserError, match=r"trials\.journal cannot be used \(JSONDecodeError: .*move it away"):
            opened(tmp_path, owner)


def test_a_storage_that_is_locked_or_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Owner(tmp_path) as owner:
        place = tmp_path / "trials.db"
        search = searched(storage=f"sqlite:///{place}?timeout=0.1")
        assert len(taken(opened(tmp_path, owner, search), 2)) == 2
        held = sqlite3.connect(place, isolation_level=None)
        held.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match=r"experiment\.trials\.storage=.*trials\.db.*: is locked by another"):
            opened(tmp_path, owner, search).take([])
        held.close()
        with pytest.raises(UserError, match=r"nothing://x cannot be used"):
            opened(tmp_path, owner, searched(storage="nothing://x"))
        with (tmp_path / FOLDER / "lock").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with (
                pytest.raises(UserError, match=r"lock: process .* has held it for 0 s; end that process"),
                owner.alone(0.1),
            ):
                pass
        real = builtins.__import__

        def without(name: str, *rest: Any) -> Any:
            if name == "optuna":
                raise ImportError("No module named 'optuna'")
            return real(name, *rest)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(UserError, match=r"Optuna is not installed .*pip install 'normfree\[search\]'"):
            opened(tmp_path, owner)
