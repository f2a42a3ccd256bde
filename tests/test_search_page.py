"""docs/search.md tells every key of a search, and its example is one."""

import re

import yaml

from normfree.sweep.trials import words
from normfree.sweep.trials.block import _KEYS, parse
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")


def test_every_key_is_told() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(_KEYS)


def test_the_example_is_a_search() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    search = parse(yaml.safe_load(text)["experiment"]["trials"], [])
    assert search.storage == "sqlite:////scratch/trials.db"
    assert search.timing is not None


def test_the_grids_are_those_of_the_code() -> None:
    for grid in (words.FRONT, words.MOST_ACCURATE, words.NO_SLOWER, words.BESIDE):
        assert f"`{grid}`" in PAGE
