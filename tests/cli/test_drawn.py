"""What an experiment's report cannot draw is told before its runs are trained."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from normfree.cli.drawn import _kinds, refuse_unknown_kinds
from normfree.config import UserError
from normfree.config.places import Places
from normfree.report.figures import kinds
from normfree.study.claims import kinds as kinds_of_claims

EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))


def test_kinds_and_keys_are_those_that_reports_read() -> None:
    assert _kinds("panels") == {name: kind.options for name, kind in kinds().items()}
    for name, (_, keys) in kinds_of_claims().items():
        assert _kinds("claims")[name] <= keys
    assert set(_kinds("claims")) == set(kinds_of_claims())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_ours_can_be_drawn(name: str) -> None:
    refuse_unknown_kinds([f"experiment={name}", "-m"], Places.of())


@pytest.mark.parametrize(("line", "told"), [
    ("panels: {p: {kind: acuracy_over, x: lr}}", r"panels\.p\.kind=acuracy_over: no such kind, did you mean 'acc"),
    ("panels: {p: {kind: accuracy_over, x: lr, best_off: lr}}", r"panels\.p\.best_off: no such key of kind acc"),
    ("claims: {c: {kind: higher, claim: Yes., a: x, b: y}}", r"claims\.c\.kind=higher: no such kind"),
    ("claims: {c: {kind: equal_accuracy, claim: Yes., margn: 1}}", r"claims\.c\.margn: no such key of kind equal"),
    ("sizes: {gpu: {panels: {p: {kind: bar}}}}", r"panels\.p\.kind=bar: no such kind, did you mean 'bars'"),
])  # fmt: skip
def test_what_there_is_not_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, told: str) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text(f"experiment: {{name: mine, {line}}}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        refuse_unknown_kinds(["experiment=mine"], Places.of())
