"""``normfree demo``: the sweep and its report, with the user's words given to whom they belong."""

from collections.abc import Sequence

import pytest

from normfree.cli import demo, report, train
from normfree.config.errors import UserError

Calls = list[list[str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made: Calls = []

    def noted(words: Sequence[str]) -> int:
        made.append(list(words))
        return 1 if "steps=1" in words else 0

    monkeypatch.setattr(train, "main", noted)
    monkeypatch.setattr(report, "main", noted)
    return made


def test_words_go_to_the_sweep_and_places_to_the_report_too(calls: Calls) -> None:
    assert demo.main(["seed=8", "runs_dir=r", "reports_dir=p"]) == 0
    sweep, page = calls
    assert sweep == ["-m", "experiment=quickstart", "seed=8", "runs_dir=r"]
    assert page == ["experiment=quickstart", "runs_dir=r", "reports_dir=p"]


@pytest.mark.parametrize(("word", "code"), [("plan=true", 0), ("steps=1", 1)])
def test_there_is_no_report_of_a_plan_or_of_what_failed(word: str, code: int, calls: Calls) -> None:
    assert demo.main([word]) == code
    assert len(calls) == 1


def test_another_experiment_is_refused(calls: Calls) -> None:
    with pytest.raises(UserError, match=r"the demo is experiment=quickstart; type python train.py -m experiment=depth"):
        demo.main(["experiment=depth"])
    assert calls == []
