"""Words that mean one thing: no run or arm is a cell, no cut of a batch a split, no outcome of a run a verdict."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"
OF_A_TABLE = {"markdown_cell", "_cell"}
"""What writes a field of a table, which is neither a run nor an arm."""
PAGES = ("docs", "experiments", "conf", "reports")


def identifiers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


def words(identifier: str) -> set[str]:
    """`PlannedRun` and `planned_run` are of the words planned and run; plurals count as singular."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)
    return {word.lower() for part in parts for word in (part, part.removesuffix("s"))}


def uses(word: str, files: list[Path]) -> list[str]:
    assert files
    return [
        f"{file.relative_to(SOURCE)}: {name}"
        for file in files
        for name in {file.stem, *identifiers(ast.parse(file.read_text(encoding="utf-8")))}
        if word in words(name)
    ]


@pytest.mark.parametrize(
    "part",
    sorted(path.name for path in (SOURCE / "normfree").iterdir() if path.is_dir() and path.name != "__pycache__"),
)
def test_neither_a_run_nor_an_arm_is_a_cell(part: str) -> None:
    found = uses("cell", list((SOURCE / "normfree" / part).rglob("*.py")))
    assert [each for each in found if each.rpartition(" ")[2] not in OF_A_TABLE] == []


def test_pages_and_reports_have_no_cells() -> None:
    root = SOURCE.parent
    pages = [root / "README.md", *(path for part in PAGES for path in (root / part).rglob("*"))]
    texts = [path for path in pages if path.suffix in (".md", ".html", ".csv", ".yaml", ".j2")]
    texts += (SOURCE / "normfree" / "report" / "templates").glob("*")
    assert len(texts) > 100
    about = re.compile(r"\bcells?\b(?! of CSV)|cells_", re.IGNORECASE)
    assert [str(path.relative_to(root)) for path in texts if about.search(path.read_text(encoding="utf-8"))] == []


def test_a_batch_is_cut_and_not_split() -> None:
    about_cuts = [path for path in SOURCE.rglob("*cut*.py") if path.parent.name != "data"]
    assert {path.name for path in about_cuts} >= {"cut_law.py", "recut.py", "cut_page.py", "cut_figure.py"}
    assert uses("split", [*about_cuts, SOURCE / "normfree" / "config" / "batch_plan.py"]) == []


def named_outcome(tree: ast.Module) -> Iterator[str]:
    """Classes of that name, and the types of arguments and variables that are called so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and "outcome" in words(node.name):
            yield node.name
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            if name == "outcome":
                yield ast.unparse(node.annotation)


def test_an_outcome_is_what_became_of_a_run() -> None:
    """Its rules are another thing, as OutcomeConfig has them; a verdict is a claim's."""
    files = list((SOURCE / "normfree" / "train").rglob("*.py"))
    assert uses("verdict", files) == []
    called = {name for file in files for name in named_outcome(ast.parse(file.read_text(encoding="utf-8")))}
    assert called == {"Outcome"}


def test_words_of_an_identifier() -> None:
    assert {"planned", "cell"} <= words("PlannedCells") & words("_planned_cells")
    assert "cell" not in words("cancelled_cellar")
