"""Words that mean one thing: no run is a cell, no cut of a batch a split, no outcome of a run a verdict."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"
KEEP_RUNS = ("config", "runs", "sweep", "slurm", "train", "cli")
"""Parts that plan, train and store runs; a cell, which only figures and tables have, is an arm in its place there."""


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


@pytest.mark.parametrize("part", [*(f"normfree/{name}" for name in KEEP_RUNS), "hydra_plugins"])
def test_a_run_is_no_cell(part: str) -> None:
    assert uses("cell", list((SOURCE / part).rglob("*.py"))) == []


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
