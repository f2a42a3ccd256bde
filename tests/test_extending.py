"""Every example of docs/extending.md, added to a copy of this tree, works."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

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


@pytest.mark.cli
@pytest.mark.parametrize("title", examples())
def test_the_example_works(title: str, tmp_path: Path) -> None:
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    commands = []
    for fence in FENCE.finditer(sections()[title]):
        if fence["file"]:
            assert not (tmp_path / fence["file"]).exists(), "a new file: nothing is edited"
            (tmp_path / fence["file"]).write_text(fence["text"], encoding="utf-8")
        elif fence["language"] == "bash":
            commands += [shlex.split(line) for line in fence["text"].splitlines()]
    assert commands
    for program, *words in commands:
        assert program in ("normfree", "python")
        embedded = words[0] == "train" and not any(word.startswith("data=") for word in words)
        answer = subprocess.run(
            [sys.executable, *words]
            if program == "python"
            else [sys.executable, f"{words[0]}.py", *words[1:], *(QUICK if embedded else ())],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
