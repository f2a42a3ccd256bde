"""How much longer a training has to be for the same accuracy, on made-up runs whose ratio is known."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.study.test_verdicts import claiming

from normfree.config.errors import UserError
from normfree.study import judge

CLAIM = {"kind": "longer_schedule", "measure": "validation/accuracy", "target": 0.9, "ratio": 1.5}


def made(
    seeds: int = 6, ratio: float = 2.0, noise: float = 0.0, speed: float = 1.0, lengths: tuple[float, ...] = (4, 8, 16)
) -> pd.DataFrame:
    """B reaches 90 % with 6 epochs, A with `ratio` times as many, `speed` times as fast; a doubling gives 2 points."""
    luck = np.random.default_rng(0)
    rows = [
        {
            "run_id": f"{side}{seed}-{length}", "arm_id": f"{side}{length}", "side": side, "seed": seed,
            "status": "finished", "steps": round(length * 100), "batch.global": 10, "data.train": 1000,
            "time.images_per_second": 100.0 * (speed if side == "a" else 1.0),
            "validation/accuracy": 0.9 + 0.02 * math.log2(length / needed) + noise * luck.normal(),
        }
        for side, needed in (("a", 6 * ratio), ("b", 6.0))
        for seed in range(seeds)
        for length in lengths
    ]  # fmt: skip
    return pd.DataFrame(rows)


def told(runs: pd.DataFrame, **options: Any) -> tuple[str, str, str]:
    (found,) = judge(claiming({**CLAIM, **options}), runs)
    return found.verdict, found.sentence, found.rule


def numbers(sentence: str) -> list[float]:
    found = re.search(r"ratio ([\d.]+) \(95 % interval ([\d.]+) to ([\d.]+)", sentence)
    assert found, sentence
    return [float(number) for number in found.groups()]


def test_the_ratio_is_found_between_the_lengths() -> None:
    verdict, sentence, rule = told(made())
    assert verdict == "supported"
    assert "A 12 epochs; B 6 epochs; ratio 2 (95 % interval 2 to 2, n = 6)" in sentence
    assert "the mean validation accuracy over seeds reaches 90.0 %" in rule
    assert told(made(ratio=1.2))[0] == "refuted"


@pytest.mark.parametrize("noise", [0.002, 0.004])
def test_the_interval_grows_with_the_spread_of_seeds_and_holds_the_ratio(noise: float) -> None:
    verdict, sentence, _ = told(made(seeds=12, noise=noise))
    found, low, high = numbers(sentence)
    assert low < found < high
    assert low < 2 < high
    narrow = numbers(told(made(seeds=12, noise=noise / 4))[1])
    assert narrow[2] - narrow[1] < (high - low) / 2
    assert verdict == "supported"


def test_seconds_of_training_count_the_speed() -> None:
    verdict, sentence, _ = told(made(speed=1.6), unit="training_seconds")
    assert verdict == "refuted"
    assert "A 75 s of training; B 60 s of training; ratio 1.25" in sentence


def test_what_says_nothing() -> None:
    verdict, sentence, _ = told(made(ratio=4))
    assert verdict == "inconclusive"
    assert "A does not cross 90.0 %: 84.8 % with 4, 86.8 % with 8, 88.8 % with 16 epochs" in sentence
    assert "has not two lengths" in told(made(lengths=(8,)))[1]
    runs = made()
    assert "has not two lengths" in told(runs[~((runs["seed"] == 1) & (runs["steps"] == 400))])[1]
    assert "5 seeds are in both" in told(runs[~((runs["seed"] == 1) & (runs["side"] == "a"))])[1]
    assert "2 seeds are in both" in told(runs[runs["seed"] < 2])[1]
    open_runs = runs.assign(status=["missing", *["finished"] * (len(runs) - 1)])
    assert "1 of 18 runs of A have no outcome yet" in told(open_runs)[1]


def test_what_cannot_be_asked() -> None:
    with pytest.raises(UserError, match="unit=minutes: no such unit; there are: epochs, training_seconds"):
        told(made(), unit="minutes")
    with pytest.raises(UserError, match="ratio=0: give a number above 0"):
        told(made(), ratio=0)
    with pytest.raises(UserError, match="target=None: give a number"):
        told(made(), target=None)
