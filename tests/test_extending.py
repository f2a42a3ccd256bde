"""Every example of docs/extending.md, added to a copy of this tree, works."""

import itertools
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.warm_tree import Tree, copy

PAGE = ROOT / "docs" / "extending.md"
COPIED = (
    "conf",
    "experiments",
    "src",
    "reports/benchmarks",
    "train.py",
    "report.py",
    "runs.py",
    "bench.py",
    "evaluate.py",
    "export.py",
)
FENCE = re.compile(r"(?:^`(?P<file>[^`\n]+)`\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
QUICK = ("data.train_size=14", "optimizer.warmup_steps=1")
"""What makes a run on the embedded digits a matter of a second."""


def sections() -> dict[str, str]:
    _, *found = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {each.partition("\n")[0]: each for each in found}


def examples() -> list[str]:
    return [title for title, text in sections().items() if "```bash" in text]


def test_every_row_of_the_table_has_its_section() -> None:
    links = set(re.findall(r"\]\(#([\w-]+)\)", PAGE.read_text(encoding="utf-8")))
    assert links == {title.lower().replace(" ", "-") for title in sections()}


def fences(title: str) -> Iterator[re.Match[str]]:
    return FENCE.finditer(sections()[title])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A copy of this tree with every example added."""
    place = copy(tmp_path_factory.mktemp("tree"), COPIED)
    for fence in itertools.chain.from_iterable(map(fences, examples())):
        if fence["file"]:
            assert not (place / fence["file"]).exists(), "a new file: nothing is edited"
            (place / fence["file"]).write_text(fence["text"], encoding="utf-8")
    with Tree(place) as tree:
        yield tree


@pytest.mark.cli
@pytest.mark.parametrize("title", examples())
def test_the_example_works(title: str, tree: Tree) -> None:
    bash = [fence["text"] for fence in fences(title) if fence["language"] == "bash"]
    commands = [shlex.split(line) for line in "".join(bash).splitlines()]
    assert commands
    for program, *words in commands:
        assert program in ("normfree", "python")
        embedded = words[0] == "train" and not any(word.startswith("data=") for word in words)
        answer = tree.run(
            words if program == "python" else [f"{words[0]}.py", *words[1:], *(QUICK if embedded else ())]
        )
        assert answer.returncode == 0, answer.stderr
