"""The rate of each arm of a screen by validation, on made-up runs."""

from __future__ import annotations

import pandas as pd

from tests.test_ledger import script


def test_the_rate_that_validates_best_of_those_at_which_every_seed_finished() -> None:
    tried = [
        ("sgd", 0.1, "finished", 0.5), ("sgd", 0.4, "finished", 0.7), ("sgd", 1.6, "diverged", 0.9),
        ("muon", 0.01, "finished", 0.6), ("muon", 0.03, "finished", 0.8), ("muon", 0.1, "finished", 0.7),
        ("lion", 0.1, "diverged", None),
    ]  # fmt: skip
    runs = pd.DataFrame(
        [
            {"model.name": "resnet20", "optimizer.name": name, "optimizer.beta1": 0.9 if name == "lion" else None,
             "optimizer.base_lr": lr, "lr": lr, "status": status, "validation/accuracy": score}
            for name, lr, status, score in tried
        ]
    )  # fmt: skip
    found = script("choose_rates").chosen(runs).set_index("optimizer.name")
    assert found.loc["sgd", ["rates", "finished", "lr", "accuracy", "note"]].tolist() == [3, 2, 0.4, 0.7, ""]
    assert found.loc["muon", ["rates", "finished", "lr", "accuracy", "note"]].tolist() == [3, 3, 0.03, 0.8, ""]
    assert pd.isna(found.loc["lion", "lr"])
    assert "optimizer.beta1" not in found
    assert "optimizer.base_lr" not in found
