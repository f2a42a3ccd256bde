"""``experiment.trials``: what it may say, and the one line for what it may not."""

from typing import Any

import pytest

from normfree.config import UserError
from normfree.sweep.trials.block import Search, Short, parse, search_of
from normfree.sweep.trials.space import combinations_of, space_of, typed

SPACE: dict[str, Any] = {"model.depth": [[1, 1, 1], [1, 2, 1]], "lr": {"from": 0.05, "to": 3.2, "log": True}}


def block(**more: Any) -> Search:
    return parse({"base": "model=nfnet_nano clip=agc", "space": SPACE, **more}, ["data=mnist5k"])


def test_what_is_left_out_has_a_usual_value() -> None:
    search = block()
    assert search.objectives == ("accuracy", "latency")
    assert search.timing is not None
    assert search.timing.budget is None
    assert search.short is None
    assert (search.number, search.startup, search.members, search.seeds) == (60, 10, 5, (0, 1, 2))
    assert search.reference == search.base == ("model=nfnet_nano", "clip=agc")
    assert block(short={}).short == Short(0.25, 8)
    assert block(objectives="accuracy").timing is None


def test_what_was_typed_outweighs_base_and_beside() -> None:
    given = {"base": "model=nfnet_nano clip=agc", "space": SPACE, "beside": ["model=resnet20 clip=none"]}
    search = parse(given, ["model=x"])
    assert search.base == ("clip=agc",)
    assert search.beside == (("clip=none",),)


def test_a_size_may_have_its_own() -> None:
    experiment = {"name": "a", "trials": {"space": SPACE}, "sizes": {"gpu": {"trials": {"space": SPACE, "number": 9}}}}
    found = search_of(experiment | {"size": "gpu"}, [])
    assert found is not None
    assert found.number == 9
    assert search_of({"name": "a"}, []) is None


def test_values_are_typed_as_on_a_command_line() -> None:
    values = {"[1,2]": [1, 2], "null": None, "true": True, "{a:0.5}": {"a": 0.5}, "relu": "relu"}
    assert [typed(value) for value in values.values()] == list(values)
    depth, rate = space_of(SPACE)
    assert depth.word(depth.choices[1]) == "model.depth=[1,2,1]"
    assert rate.word(0.123456789) == "lr=0.1235"
    assert combinations_of([depth]) == 2
    assert combinations_of([depth, rate]) is None
    (stepped,) = space_of({"model.se_ratio": {"from": 0.0, "to": 1.0, "step": 0.25}})
    assert stepped.count == 5


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"space": {}}, "experiment.trials.space={}: is empty; give keys with values"),
    ({"space": {"model.dept": [1]}}, "experiment.trials.space.model.dept: no such key, did you mean 'model.depth'?"),
    ({"space": {"seed": [1, 2]}}, "experiment.trials.space.seed: is no key of a network or a recipe"),
    (
        {"space": {"lr": 0.1}},
        "experiment.trials.space.lr=0.1: give a list of values, or {from: 0.05",
    ),
    ({"space": {"lr": {"from": 1, "to": 0.5}}}, "experiment.trials.space.lr.to=0.5: is not above from=1"),
    ({"space": {"lr": {"from": 0, "to": 0.5, "log": True}}}, "experiment.trials.space.lr.from=0: has no logarithm"),
    ({"space": {"lr": {"from": 1, "to": 2, "lag": True}}}, "experiment.trials.space.lr.lag: no such key"),
    ({"space": {"lr": [0.1, 0.1]}}, "experiment.trials.space.lr: has 0.1 twice"),
    ({"spase": {}}, "experiment.trials.spase: no such key, did you mean 'space'?"),
    ({"objectives": ["latency"]}, "experiment.trials.objectives=latency: without accuracy nothing is trained for"),
    ({"objectives": ["speed"]}, "experiment.trials.objectives=speed: no such objective"),
    ({"latency": {"budget_ms": -1}}, "experiment.trials.latency.budget_ms=-1: give a number above 0"),
    ({"latency": {"budget": 3}}, "experiment.trials.latency.budget: no such key, did you mean 'budget_ms'?"),
    ({"number": 0}, "experiment.trials.number=0: give a whole number of at least 1"),
    ({"space": {"lr": [0.1, 0.2]}, "number": 3}, "experiment.trials.number=3: the space has 2 combinations"),
    ({"short": {"share": 1}}, "experiment.trials.short.share=1: is no shorter run"),
    ({"rerun": {"seeds": "0,0"}}, "experiment.trials.rerun.seeds=0,0: give whole numbers, each once"),
    ({"rerun": {"seeds": "9,10"}}, "experiment.trials.rerun.seeds: has 10, by which trials were chosen; give others"),
    ({"base": "lr=0.1"}, "experiment.trials.base: has lr=0.1, whose key is in the space"),
    ({"base": "nfnet"}, "experiment.trials.base: nfnet is no override; give KEY=VALUE"),
    ({"storage": "trials.db"}, "experiment.trials.storage=trials.db: give a URL, such as sqlite:///trials.db"),
]


@pytest.mark.parametrize(("more", "told"), REFUSED)
def test_what_is_wrong_is_told_in_a_line(more: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        block(**more)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_key_of_the_space_or_a_seed_is_not_typed() -> None:
    with pytest.raises(UserError, match=r"lr: is in experiment\.trials\.space; leave it out, or take it out of the"):
        parse({"space": SPACE}, ["lr=0.4"])
    with pytest.raises(UserError, match=r"seed: a search has its own; give experiment\.trials\.seed"):
        parse({"space": SPACE}, ["seed=1"])
