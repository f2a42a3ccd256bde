"""Claims on runs whose verdict is known."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normfree.config.errors import UserError
from normfree.study import judge, select
from normfree.study.experiment import Experiment, parse_experiment

FINE, BAD = ("finished", 0.97), ("diverged", 0.1)
DEPENDENCE = ("logits_batch_vs_single", "logits_train_vs_eval", "gradient_whole_vs_accumulated")


def table(**sides: list[tuple[str, float | None]]) -> pd.DataFrame:
    """Runs by side: a seed each, its status and accuracy."""
    rows: list[dict[str, Any]] = [
        {
            "run_id": f"{side}{seed}",
            "arm_id": side,
            "side": side,
            "seed": seed,
            "status": status,
            "test/accuracy": accuracy,
        }
        for side, runs in sides.items()
        for seed, (status, accuracy) in enumerate(runs)
    ]
    frame = pd.DataFrame(rows).astype({"test/accuracy": float})
    for name in DEPENDENCE:
        frame[f"batch_dependence.{name}"] = frame["side"].map({"a": 1e-16, "b": 1e-2})
    return frame


def claiming(*claims: dict[str, Any], **rules: Any) -> Experiment:
    sides = {side: {"label": side.upper(), "where": {"side": side}} for side in "ab"}
    named = {f"c{i}": {"claim": "it is so", "a": "a", "b": "b", **claim} for i, claim in enumerate(claims)}
    return parse_experiment({"series": sides, "claims": named, "rules": rules}, "exp")


def verdict(claim: dict[str, Any], runs: pd.DataFrame, **rules: Any) -> tuple[str, str]:
    found = judge(claiming(claim, **rules), runs)[0]
    return found.verdict, found.sentence


OFTEN = {"kind": "trains_more_often", "minimum_difference": 0.25}


def test_trains_more_often() -> None:
    assert verdict(OFTEN, table(a=[FINE] * 5, b=[BAD] * 5))[0] == "supported"
    assert verdict(OFTEN, table(a=[BAD] * 5, b=[FINE] * 5))[0] == "refuted"
    assert verdict(OFTEN, table(a=[FINE] * 20, b=[FINE] * 20))[0] == "refuted"
    assert verdict(OFTEN, table(a=[FINE] * 3, b=[FINE] * 2 + [BAD]))[0] == "inconclusive"


def test_the_sentence_has_counts_interval_and_p() -> None:
    told = verdict(OFTEN, table(a=[FINE] * 5, b=[BAD] * 3 + [("untrained", 0.1)] * 2))[1]
    assert "A trained in 5/5; B in 0/5 (3 diverged, 2 untrained)" in told
    assert "95 % interval" in told
    assert "p = 0.004" in told


@pytest.mark.parametrize("kind", ["trains_more_often", "higher_accuracy", "equal_accuracy", "batch_independent"])
@pytest.mark.parametrize("status", ["missing", "incomplete", "failed", "preempted", "damaged"])
def test_outstanding_runs_leave_a_claim_open(kind: str, status: str) -> None:
    claim = {"kind": kind, **({"margin": 0.01} if kind == "equal_accuracy" else {})}
    found, told = verdict(claim, table(a=[FINE] * 5, b=[FINE] * 4 + [(status, None)]))
    assert found == "inconclusive"
    assert "1 of 5 runs of B have no outcome yet" in told


def test_too_few_runs_leave_a_claim_open() -> None:
    found, told = verdict(OFTEN, table(a=[FINE] * 2, b=[BAD] * 2))
    assert found == "inconclusive"
    assert "the rule asks for 3" in told


def accuracies(*values: float) -> list[tuple[str, float | None]]:
    return [("finished", value) for value in values]


def test_higher_accuracy_is_paired_by_seed() -> None:
    claim = {"kind": "higher_accuracy", "margin": 0.01}
    spread = accuracies(0.5, 0.7, 0.9), accuracies(0.47, 0.67, 0.871)
    assert verdict(claim, table(a=spread[0], b=spread[1]))[0] == "supported"
    assert verdict(claim, table(a=spread[1], b=spread[0]))[0] == "refuted"
    assert verdict(claim, table(a=accuracies(0.98, 0.90, 0.97), b=accuracies(0.95, 0.94, 0.93)))[0] == "inconclusive"


def test_no_mean_over_a_bimodal_cell() -> None:
    found, told = verdict({"kind": "higher_accuracy"}, table(a=[FINE] * 3, b=[FINE, FINE, BAD]))
    assert found == "inconclusive"
    assert "B trained in 2/3 (1 diverged)" in told


def test_equal_accuracy() -> None:
    claim = {"kind": "equal_accuracy", "margin": 0.01}
    base = accuracies(0.97, 0.975, 0.98)
    assert verdict(claim, table(a=base, b=accuracies(0.971, 0.974, 0.9805)))[0] == "supported"
    assert verdict(claim, table(a=base, b=accuracies(0.90, 0.906, 0.911)))[0] == "refuted"
    assert verdict(claim, table(a=base, b=accuracies(0.96, 0.985, 0.99)))[0] == "inconclusive"


def test_batch_independent() -> None:
    runs = table(a=[FINE] * 2, b=[FINE] * 2)
    assert verdict({"kind": "batch_independent"}, runs)[0] == "supported"
    assert verdict({"kind": "batch_independent", "threshold": 1e-17}, runs)[0] == "refuted"
    for name in DEPENDENCE:
        runs.loc[runs["side"] == "b", f"batch_dependence.{name}"] = None
    assert "no run of B has the measurement" in verdict({"kind": "batch_independent"}, runs)[1]


def test_more_claims_ask_for_stronger_evidence() -> None:
    runs = table(a=[FINE] * 4, b=[BAD] * 4)
    one = judge(claiming(OFTEN), runs)[0]
    five = judge(claiming(*[OFTEN] * 5), runs)[0]
    assert one.verdict == "supported"
    assert five.verdict == "inconclusive"


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_runs_changes_nothing(luck: Any) -> None:
    runs = table(a=accuracies(0.97, 0.975, 0.98), b=accuracies(0.96, 0.97, 0.971))
    order = list(runs.index)
    luck.shuffle(order)
    experiment = claiming(OFTEN, {"kind": "higher_accuracy"}, {"kind": "equal_accuracy", "margin": 0.02})
    assert [v.sentence for v in judge(experiment, runs)] == [v.sentence for v in judge(experiment, runs.loc[order])]


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"kind": "trains_more"}, "did you mean 'trains_more_often'"),
        ({"kind": "higher_accuracy", "margn": 1}, "did you mean 'margin'"),
        ({"kind": "higher_accuracy", "a": "c"}, "'c' is no series"),
        ({"kind": "higher_accuracy", "a": {"where": {"sied": 1}}}, "no factor 'sied', did you mean 'side'"),
        ({"kind": "equal_accuracy"}, "margin=None: give a number"),
    ],
)
def test_mistakes_name_the_key_and_the_nearest(claim: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        judge(claiming(claim), table(a=[FINE], b=[FINE]))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"lr": 0.4}, [1]),
        ({"lr": [0.1, 0.4]}, [0, 1]),
        ({"lr": {"min": 0.4, "max": 1.6}}, [1, 2]),
        ({"lr": {"max": 0.4}}, [0, 1]),
        ({"lr": None}, [3]),
        ({"grids": "x"}, [0, 1]),
        ({"grids": ["x", "y"], "lr": {"min": 0.2}}, [1, 2]),
    ],
)
def test_select(where: dict[str, Any], expected: list[int]) -> None:
    runs = pd.DataFrame({"lr": [0.1, 0.1 + 0.3, 1.6, None], "grids": [("x",), ("x", "y"), ("y",), ()]})
    assert list(select(runs, where).index) == expected
