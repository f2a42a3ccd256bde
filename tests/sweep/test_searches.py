"""A grid with a search: its scans, and what cannot be searched for."""

import itertools
from typing import Any

import pytest

from normfree.config import UserError
from normfree.sweep.searches import scans_of, search_of, without_searches

SEARCH = {"key": "lr", "from": 0.05, "to": 12.8, "resolution": 0.5, "trains": "finished"}
GRID = {"arms": ["model=a clip=none", "model=b"], "batch": "16,64", "search": SEARCH, "seed": [3, 4]}


def combinations(overrides: list[str]) -> list[list[str]]:
    parts = [[f"{key}={value}" for value in text.split(",")] for key, text in (o.split("=", 1) for o in overrides)]
    return [list(run) for run in itertools.product(*parts)]


def test_a_cell_for_every_combination_of_the_other_keys() -> None:
    scans = scans_of({"g": GRID}, ["experiment=e"], combinations)
    assert len(scans) == 2 * 2 * 2
    assert scans[0].overrides == ("experiment=e", "model=a", "clip=none", "batch=16", "seed=3")
    assert scans[0].grids == ("g",)
    assert scans[0].at(0)[-1] == "lr=0.05"
    assert scans[0].at(1)[-1] == "lr=0.0707107"
    assert scans[0].at(scans[0].search.last)[-1] == "lr=12.8"


def test_two_grids_that_ask_the_same_share_their_cells() -> None:
    scans = scans_of({"g": GRID, "h": GRID}, [], combinations)
    assert len(scans) == 8
    assert scans[0].grids == ("g", "h")


def test_the_other_grids_are_as_before_and_so_is_one_whose_key_was_typed() -> None:
    grids = {"g": GRID, "h": {"lr": "1,2"}}
    assert without_searches(grids, ["seed=0"]) == {"h": {"lr": "1,2"}}
    plain = without_searches(grids, ["lr=0.4"])
    assert plain["g"] == {key: value for key, value in GRID.items() if key != "search"}
    assert scans_of(grids, ["lr=0.4"], combinations) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"from": 0}, r"search\.from=0: give a number above 0"),
        ({"to": "high"}, r"search\.to=high: give a number"),
        ({"to": 0.01}, "is not above from=0.05"),
        ({"to": 10}, "give to: 12.8"),
        ({"resolution": 1e-3}, "makes 8001 values; give a greater one"),
        ({"trains": "trained"}, "no outcome of a run, did you mean 'untrained'"),
        ({"trains": ["finished", "untrained", "diverged"]}, "every run would train"),
        ({"key": "batch"}, "search.key=batch: the grid gives it a value already"),
        ({"key": "clip"}, "search.key=clip: the grid gives it a value already"),
        ({"key": None}, "search.key: is missing"),
        ({"too": 1}, "search.too: no such key"),
    ],
)
def test_a_search_that_cannot_be_used_is_one_line(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        search_of("g", GRID | {"search": SEARCH | changed})


def test_a_search_that_is_no_table_is_one_line() -> None:
    with pytest.raises(UserError, match=r"experiment\.grids\.g\.search='lr': give"):
        search_of("g", {"search": "lr"})
