"""The commands of docs/finetune.md: those on other images are composed, the others are run with their page."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_line, composed

PAGE = (ROOT / "docs" / "finetune.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
OF_OTHER_DATA = [line for line in COMMANDS if line.startswith("normfree train model=") and "PATH" in line]


@pytest.mark.parametrize("line", OF_OTHER_DATA)
def test_those_on_other_images_compose(line: str) -> None:
    words = shlex.split(line)[2:]
    config = composed(*words)
    assert config.model.weights == "FILE"
    assert config.optimizer.weight_decay == 1e-5


def test_weights_that_are_gone_are_one_line(tmp_path: Path) -> None:
    answer = command_line("train.py", "model.weights=nowhere", "plan=true", f"runs_dir={tmp_path}")
    assert answer.returncode != 0
    assert answer.stderr.strip().startswith("error: model.weights=nowhere: there is no such file or folder")
    assert len(answer.stderr.strip().splitlines()) == 1
