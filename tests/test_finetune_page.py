"""The commands of docs/finetune.md: those on the embedded digits are run, the others composed."""

import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_line, composed

PAGE = (ROOT / "docs" / "finetune.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()
]
OF_OTHER_DATA = [line for line in COMMANDS if line.startswith("python train.py model=") and "PATH" in line]
FEW = ("data.train_size=7", "data.test_size=7", "batch=50", "steps=60", "trainer=cpu")


def test_its_first_commands_go_on_from_each_other(tmp_path: Path) -> None:
    first, *others = [shlex.split(line)[1:] for line in COMMANDS[:3]]
    said = [command_line(words[0], *words[1:], *FEW, f"runs_dir={tmp_path}") for words in (first, *others)]
    assert [answer.returncode for answer in said] == [0, 0, 0], said
    assert re.search(r"weights of run nf_resnet20-\S+ \(sha256 \w{12}\); new classifier", said[1].stdout)
    assert "frozen: stem, 0" in said[1].stdout
    assert re.search(r"^start .*keep classifier.*frozen: all$", said[2].stdout, re.MULTILINE)


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
