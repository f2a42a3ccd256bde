"""What the README and docs/ show is run, block by block, or says why not."""

from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.docs.blocks import blocks
from tests.docs.reader import Reader

ELSEWHERE = {
    "docs/extending.md": "tests/test_extending.py adds each example to a copy of the whole tree",
}
"""Pages whose blocks another test runs."""
EVERY = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
READ = [page for page in EVERY if str(page.relative_to(ROOT)) not in ELSEWHERE]
RUN = [page for page in READ if any(block.is_run for block in blocks(page.read_text(encoding="utf-8")))]


@pytest.mark.cli
@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_its_blocks_do_what_it_says(page: Path, tmp_path: Path) -> None:
    with Reader(page, tmp_path) as reader:
        reader.reads()


def test_what_is_run_elsewhere_is_there() -> None:
    assert {page for page in ELSEWHERE if (ROOT / page).is_file()} == set(ELSEWHERE)
