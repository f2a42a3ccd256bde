"""Results of before `untrained` was an outcome, in today's words."""

from typing import Any

import pytest

from normfree.runs.outcomes import DEFINITIONS, RECORDED, TERMINAL, explanation, today

STAYED = "training loss 2.31 over the last 50 steps of training, not below its initial 2.3 by 0.5%"


def old(
    status: str, accuracy: float | None, gain: float | None = None, reason: str = "", **losses: float
) -> dict[str, Any]:
    metrics = {"test/accuracy": accuracy, "skip_gain/mean_abs": gain}
    metrics |= {"train/initial_loss": 2.3, "train/final_loss": losses.get("final", 2.3)}
    return {"status": status, "reason": reason, "data": {"classes": 10, "test": 1000}, "metrics": metrics}


@pytest.mark.parametrize(
    ("result", "status", "stalled"),
    [
        (old("finished", 0.97), "finished", None),
        (old("finished", 0.97, 0.2), "finished", False),
        (old("finished", 0.1), "untrained", None),
        (old("stalled", 0.45, 0.004), "finished", True),
        (old("stalled", 0.101, 0.004), "untrained", True),
        (old("diverged", 0.25, None, STAYED), "finished", None),
        (old("diverged", 0.1, 0.001, STAYED), "untrained", True),
        (old("diverged", 0.1, 0.001, STAYED, final=1e6), "diverged", None),
        (old("diverged", None, None, "training loss nan at step 3"), "diverged", None),
        (old("failed", None), "failed", "absent"),
    ],
)
def test_old_results_in_todays_words(result: dict[str, Any], status: str, stalled: bool | str | None) -> None:
    read = today(result)
    assert (read["status"], read.get("stalled", "absent")) == (status, stalled)
    assert bool(read["reason"]) == (status in ("untrained", "diverged"))
    assert today(read) == read


def test_what_cannot_be_judged_stands() -> None:
    assert today({"status": "finished"})["status"] == "finished"
    assert today({"status": "stalled", "metrics": None, "data": []})["stalled"] is True
    new = old("finished", 0.1) | {"stalled": None}
    assert today(new) is new


def test_every_word_is_explained() -> None:
    assert set(TERMINAL) < set(RECORDED) < set(DEFINITIONS)
    assert explanation({"stalled": True, "metrics": {"skip_gain/mean_abs": 0.0037}}).endswith("0.0037 at the end")
    assert explanation({"stalled": False}) == ""
