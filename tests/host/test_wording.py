"""One run and two runs, a tensor and an int."""

import re

import pytest
from tests.conftest import ROOT

from normfree.host.wording import counted, some


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(1, "run", "1 run"), (0, "run", "0 runs"), (2, "step", "2 steps"), (1200, "run", "1,200 runs"),
     (2.5, "step", "2.5 steps"), (1.0, "step", "1 step")],
)  # fmt: skip
def test_a_number_of_things(number: float, noun: str, said: str) -> None:
    assert counted(number, noun) == said
    assert counted(2, "class", "classes") == "2 classes"


def test_the_article() -> None:
    assert [some(word) for word in ("int", "Tensor", "object", "str", "uint8")] == [
        "an int", "a Tensor", "an object", "a str", "a uint8",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["sweep", "cli", "api"])
def test_commands_count_runs_and_steps_by_it(folder: str) -> None:
    """``{count} runs`` reads badly for one."""
    for file in (ROOT / "src/normfree" / folder).rglob("*.py"):
        found = re.search(r"\{[^{}]*\} (runs|steps|others)\b(?! (done|at a time))", file.read_text(encoding="utf-8"))
        assert found is None, f"{file}: {found}"
