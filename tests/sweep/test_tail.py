"""What a run has recorded so far, read while it is written: whole rows, each once, and nothing changed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normfree.sweep import tail
from normfree.sweep.tail import Tail

HEAD = "step,train/loss,train/accuracy,validation/accuracy\n"


def test_a_torn_row_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    seen = Tail(path)
    assert not seen.look()
    path.write_text(HEAD + "1,2.5,0.1,\n2,2.")
    assert seen.look()
    assert (seen.step, seen.curves["train/loss"]) == (1, [(1, 2.5)])
    assert not seen.look()
    with path.open("a") as file:
        file.write("25,0.2,0.5\n")
    assert seen.look()
    assert seen.last == {"step": 2, "train/loss": 2.25, "train/accuracy": 0.2, "validation/accuracy": 0.5}
    assert seen.curves["validation/accuracy"] == [(2, 0.5)]


@pytest.mark.parametrize("replace", [True, False], ids=["renamed", "cut"])
def test_a_resumed_run_is_read_anew(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(HEAD + "".join(f"{step},{10 - step},0.1,\n" for step in range(1, 6)))
    seen = Tail(path)
    seen.look()
    rest = HEAD + "1,9,0.1,\n2,8.5,0.1,\n"
    if replace:
        (tmp_path / "new").write_text(rest)
        (tmp_path / "new").replace(path)
    else:
        os.truncate(path, 0)
        path.write_text(rest)
    assert seen.look()
    assert seen.curves["train/loss"] == [(1, 9.0), (2, 8.5)]


@pytest.mark.parametrize("text", ["", "step", "\0\0\0\n\0", "step,train/loss\nx,y\n1\n,,,\n-1,2\n", "a,b\n1,2\n"])
def test_what_is_no_record_is_no_row(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    assert not Tail(path).look()


def test_values_that_are_not_finite_are_no_points(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(HEAD + "1,nan,0.1,\n2,inf,0.2,\n")
    seen = Tail(path)
    assert seen.look()
    assert (seen.step, seen.curves["train/loss"], len(seen.curves["train/accuracy"])) == (2, [], 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=65, max_size=400))
def test_of_many_points_the_extremes_stay(values: list[float]) -> None:
    points = [(step, value) for step, value in enumerate(values)]
    kept = tail._thinned(points)
    assert set(kept) <= set(points)
    assert kept == sorted(kept)
    assert len(kept) <= len(points) // 2 + 2
    assert {min(values), max(values)} <= {value for _, value in kept}
