import itertools

import pytest

from normfree.config import UserError
from normfree.sweep.grids import expand


def combinations(overrides: list[str]) -> list[list[str]]:
    parts = [[f"{key}={value}" for value in text.split(",")] for key, text in (o.split("=", 1) for o in overrides)]
    return [list(run) for run in itertools.product(*parts)]


def test_a_grid_is_combined_in_full() -> None:
    grid = {"arms": ["model=a clip=none", "model=b clip=agc"], "lr": "1,2", "seed": [0, 1, 2]}
    runs = expand({"g": grid}, ["experiment=e"], combinations)
    assert len(runs) == 2 * 2 * 3
    assert (["experiment=e", "model=b", "clip=agc", "lr=2", "seed=0"], ["g"]) in runs


def test_values_are_typed_as_the_command_line_has_them() -> None:
    grid = {"epochs": None, "nesterov": [True, False], "depth": [[3, 3], [9, 9]], "decay": 5e-5, "name": "1e-3"}
    typed: list[list[str]] = []
    expand({"g": grid}, [], lambda overrides: typed.append(overrides) or [])  # type: ignore[func-returns-value]
    assert typed == [["epochs=null", "nesterov=true,false", "depth=[3, 3],[9, 9]", "decay=5e-05", "name=1e-3"]]


def test_a_cell_of_two_grids_is_run_once() -> None:
    runs = expand({"g": {"lr": "1,2"}, "h": {"lr": "2,3"}}, [], combinations)
    assert runs == [(["lr=1"], ["g"]), (["lr=2"], ["g", "h"]), (["lr=3"], ["h"])]


def test_what_was_typed_outweighs_the_grid() -> None:
    runs = expand({"g": {"arms": ["model=a clip=x"], "lr": "1,2"}}, ["lr=5", "model=c"], combinations)
    assert runs == [(["lr=5", "model=c", "clip=x"], ["g"])]


def test_without_grids_it_is_a_plain_sweep() -> None:
    assert expand({}, ["seed=0,1"], combinations) == [(["seed=0"], []), (["seed=1"], [])]


@pytest.mark.parametrize("grids", [{"g": ["lr=1"]}, {"g": {"arms": "model=a"}}])
def test_a_grid_that_is_no_table_is_one_line(grids: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"experiment\.grids\.g.*must be a"):
        expand(grids, [], combinations)
