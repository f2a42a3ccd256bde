"""What docs/using.md shows are words that the commands take; that they do what it says is tested beside each."""

import re
import shlex

import pytest

from normfree.config.errors import UserError
from normfree.evaluate.keys import read_evaluate
from normfree.export.keys import read_export
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "using.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
READ = {"evaluate": read_evaluate, "export": read_export}
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if shlex.split(line)[1] in READ]


@pytest.mark.parametrize("command", COMMANDS)
def test_its_words_are_taken(command: str) -> None:
    _, script, *words = shlex.split(command)
    READ[script](words)
    with pytest.raises(UserError, match="no such key"):
        READ[script]([*words, "nothing=1"])


def test_there_are_some_of_each() -> None:
    assert {shlex.split(command)[1] for command in COMMANDS} == set(READ)
