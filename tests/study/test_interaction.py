"""Whether a lead is larger under one condition than under another, on made-up runs."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from tests.study.test_verdicts import claiming

from normfree.config.errors import UserError
from normfree.study import judge

CLAIM: dict[str, Any] = {
    "kind": "interaction",
    "under": {"label": "Muon", "where": {"optimizer": "muon"}},
    "beside": {"label": "SGD", "where": {"optimizer": "sgd"}},
    "margin": 0.01,
}
LUCK = (0.002, -0.001, 0.0005, -0.0015)


def made(lead_under: float, lead_beside: float, status: str = "finished") -> pd.DataFrame:
    """A leads by so much with each optimizer; seeds share their luck, and the leads have little of it."""
    rows = [
        {
            "run_id": f"{side}{optimizer}{seed}", "arm_id": f"{side}{optimizer}", "side": side, "seed": seed,
            "optimizer.name": optimizer,
            "status": status if (side, optimizer, seed) == ("a", "muon", 0) else "finished",
            "test/accuracy": 0.6 + 10 * luck + (lead + luck / 5 if side == "a" else 0.0),
        }
        for optimizer, lead in (("muon", lead_under), ("sgd", lead_beside))
        for side in ("a", "b")
        for seed, luck in enumerate(LUCK)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def told(runs: pd.DataFrame, **options: Any) -> tuple[str, str]:
    (found,) = judge(claiming({**CLAIM, **options}), runs)
    return found.verdict, found.sentence


def test_the_leads_are_compared_by_seed() -> None:
    verdict, sentence = told(made(0.05, 0.02))
    assert verdict == "supported"
    assert "Muon: A 65.0 %; B 60.0 %; SGD: A 62.0 %; B 60.0 %; of the leads +3.0 points (95 % interval" in sentence
    assert told(made(0.02, 0.05))[0] == "refuted"
    assert told(made(0.03, 0.02))[0] == "inconclusive"


def test_a_run_that_did_not_train_leaves_it_open() -> None:
    verdict, sentence = told(made(0.05, 0.02, status="diverged"))
    assert verdict == "inconclusive"
    assert "Muon: A trained in 3/4 (1 diverged)" in sentence


def test_other_seeds_are_no_pairs() -> None:
    runs = made(0.05, 0.02)
    runs.loc[runs["optimizer.name"] == "sgd", "seed"] += 4
    verdict, sentence = told(runs)
    assert verdict == "inconclusive"
    assert "seeds 0, 1, 2, 3 and 4, 5, 6, 7 are under the two conditions, and not the same" in sentence


@pytest.mark.parametrize("wrong", [None, "muon", {}, {"were": {}}])
def test_a_condition_is_needed(wrong: Any) -> None:
    with pytest.raises(UserError, match=r"claims\.c0\.under: give label and where"):
        told(made(0.05, 0.02), under=wrong)
