"""Sizes of an experiment: what they stand for, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from normfree.config import UserError
from normfree.config.experiment_sizes import file_of, grids_of, in_size, size_of, words_of

GPU = {"set": ["data.train_size=32", "trainer=gpu"], "seed": [0, 1], "grids": {"big": {"lr": "1,2"}}}
NODE = {
    "name": "study",
    "grids": {"small": {"lr": 1}},
    "series": {"a": {"where": {"lr": 1}}},
    "claims": {"c": {"kind": "x"}},
    "command": "python train.py -m experiment=study data.root=PATH",
    "sizes": {"gpu": GPU | {"series": {"b": {"where": {"lr": 2}}}, "figure": ["p"]}},
}


def test_a_size_is_words_of_a_command_line() -> None:
    named = ["experiment.name=study-gpu", "experiment.size=gpu"]
    assert words_of(NODE, "study", "gpu") == [*named, "data.train_size=32", "trainer=gpu", "seed=0,1"]
    assert words_of(NODE, "study", "cpu") == []


def test_its_grids_replace_the_files() -> None:
    assert grids_of(NODE, "gpu") == {"big": {"lr": "1,2"}}
    assert grids_of(NODE, "cpu") == {"small": {"lr": 1}}
    assert grids_of(NODE | {"sizes": {"gpu": {"set": []}}}, "gpu") == {"small": {"lr": 1}}


def test_its_report_has_its_own_parts_beside_the_others() -> None:
    content = in_size(NODE, "study", "gpu")
    assert content["name"] == "study-gpu"
    assert content["command"] == "python train.py -m experiment=study data.root=PATH size=gpu"
    assert list(content["series"]) == ["a", "b"]
    assert (content["claims"], content["figure"]) == (NODE["claims"], ["p"])
    assert in_size(NODE, "study", "cpu") == {key: value for key, value in NODE.items() if key != "sizes"}


def test_what_it_gives_as_null_and_the_threats_of_another_size_are_none_of_its() -> None:
    size = {"claims": {"c": None, "d": {"kind": "x"}}, "series": {"a": None}}
    content = in_size(NODE | {"threats": ["ten steps"], "sizes": {"gpu": size}}, "study", "gpu")
    assert list(content["claims"]) == ["d"]
    assert content["series"] == {}
    assert "threats" not in content
    told = in_size(NODE | {"threats": ["ten steps"], "sizes": {"gpu": size | {"threats": ["one GPU"]}}}, "study", "gpu")
    assert told["threats"] == ["one GPU"]


def test_a_name_with_a_size_is_found_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("experiment:\n  sizes: {gpu: {set: []}}\n")
    (tmp_path / "plain.yaml").write_text("experiment: {}\n")
    (tmp_path / "study-cpus.yaml").write_text("experiment: {}\n")
    assert file_of("study-gpu", [tmp_path]) == (tmp_path / "study.yaml", "study", "gpu")
    assert file_of("study-huge", [tmp_path]) == (tmp_path / "study.yaml", "study", "huge")
    assert file_of("study-cpus", [tmp_path]) == (tmp_path / "study-cpus.yaml", "study-cpus", "cpu")
    assert file_of("plain-gpu", [tmp_path]) is None
    assert file_of("other", [tmp_path]) is None


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({}, "size=gpu: study has no such size, did you mean 'cpu'.*there are: cpu$"),
        ({"huge": GPU}, "there are: cpu, huge"),
        ([], "there are: cpu"),
        ("gpu", "must be names with what each sets"),
        ({"cpu": GPU}, "cpu is the file as it is written"),
        ({"a b": GPU}, "give another name"),
        ({"gpu": ["trainer=gpu"]}, "must be a table of set, seed"),
        ({"gpu": {"grid": {}}}, "no such key, did you mean 'grids'"),
        ({"gpu": {"set": "trainer=gpu"}}, "must be a list of KEY=VALUE"),
        ({"gpu": {"set": ["gpu"]}}, "must be a list of KEY=VALUE"),
    ],
)
def test_what_is_wrong_with_sizes_is_one_line(sizes: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        size_of({"sizes": sizes}, "study", "gpu")
