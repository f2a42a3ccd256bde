"""The tables of the tiers name what there is, and the hook of pre-commit checks as ``make check`` does."""

import re

import pytest

from tests.conftest import ROOT
from tests.tiers import LEFT_OUT, PLACES, QUICK, SHORTENED, TIERS, left_out, spread, tier_of


@pytest.mark.parametrize("name", [*PLACES, *QUICK, *SHORTENED, *LEFT_OUT])
def test_what_is_named_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert (ROOT / file).exists()
    assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_tier_is_a_tier() -> None:
    assert set(PLACES.values()) == set(TIERS)


def test_the_tier_is_that_of_the_nearest_place() -> None:
    assert tier_of("tests/train/test_run.py::test_a") == "run"
    assert tier_of("tests/train/test_killed.py::test_a") == "chaos"
    assert tier_of("tests/train/ranks/test_rank.py::test_a") is None
    assert tier_of("tests/nets/test_fold.py::test_a") is None
    assert tier_of("tests/report/test_report.py::test_a", commands=True) == "process"


def test_of_a_shortened_test_the_ends_or_the_named_cases_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.tiers.SHORTENED", {"a.py::test_a": 4, "a.py::test_b": ("one", "two")})
    nodes = [*(f"a.py::test_a[{number}]" for number in range(31)), "b.py::test_a[1]", "a.py::test_c"]
    nodes += [f"a.py::test_b[{name}]" for name in ("one", "two", "three")]
    kept = [node for node in nodes if node not in left_out(nodes)]
    assert kept == [
        *(f"a.py::test_a[{number}]" for number in (0, 10, 20, 30)),
        *("b.py::test_a[1]", "a.py::test_c", "a.py::test_b[one]", "a.py::test_b[two]"),
    ]
    assert spread("abc", 5) == ["a", "b", "c"]
    assert spread("abc", 1) == ["a"]


def test_the_hook_runs_the_pinned_ruff() -> None:
    hook = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (version,) = re.findall(r"rev: v(\S+)", hook)
    assert f"ruff=={version}" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
