"""What the README and docs/ say beside their blocks, which `tests.docs` runs: what make does, a plan's lines, links."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_line

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
STEPS = {
    "demo": ["train.py -m experiment=quickstart", "report.py experiment=quickstart"],
    "test": ["-m pytest"],
}


@pytest.mark.parametrize("target", STEPS)
def test_make_has_these_steps_after_it_has_made_the_environment(target: str) -> None:
    answer = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    shown = answer.stdout.splitlines()
    wanted = ["-m venv .venv", "--constraint constraints.txt", *STEPS[target]]
    found = [next((i for i, line in enumerate(shown) if step in line), -1) for step in wanted]
    assert -1 not in found, (wanted, shown)
    assert found == sorted(found), (wanted, shown)


@pytest.mark.cli
def test_the_table_of_a_plan_names_the_lines_that_it_has() -> None:
    (table,) = [text for page in PAGES for text in page.read_text("utf-8").split("| line | meaning |\n")[1:]]
    shown = command_line("train.py", "model=nfnet_f0", "clip=agc", "batch=4096", "plan=true")
    assert shown.returncode == 0, shown.stderr
    assert "71,489,284 parameters" in shown.stdout
    rows = table.split("\n\n")[0].splitlines()[1:]
    named = {name for row in rows for name in row.split("|")[1].replace(",", " ").replace("`", "").split()}
    assert named == {line.split()[0] for line in shown.stdout.splitlines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link.split("#")[0]).exists()]
    assert broken == []


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 150
