"""Texts of runs and experiments in tables and pages are shown, never run or rendered."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.report import faults

from normfree.report.escaping import code_block, csv_text, markdown_cell, markdown_text
from normfree.report.page import pages
from normfree.report.tables import csv, failures_table
from normfree.study import Study, collect, judge, load_experiment


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1+1", "\uff1d1", "-", "+a=b"])
def test_no_cell_begins_a_formula(text: str) -> None:
    table = csv(pd.DataFrame({text: [text, "plain"], "number": [-1.5, 2.0]})).decode()
    rows = [line for line in table.split("\n") if line]
    assert csv_text(text) == f"'{text}"
    assert f"'{text.strip()}" in table or f"'{text}" in table
    assert not any(row.strip('" ').startswith(text.strip()[:1]) for row in rows[:1])


@pytest.mark.parametrize("text", ["-1.5", "+2", "-1e-5", "-inf", "plain", "", "0.9;0.8", "a-b"])
def test_numbers_and_plain_texts_stay(text: str) -> None:
    assert csv_text(text) == text


def test_numbers_stay_numbers() -> None:
    assert csv(pd.DataFrame({"a": [-1.5, -2.25], "b": [-1, -2]})) == b"a,b\n-1.5,-1\n-2.25,-2\n"


def test_losses_of_runs_that_diverged_are_numbers_too() -> None:
    """Beyond 2^53 every float is whole, and no integer."""
    table = pd.DataFrame({"loss": [1.1801e22, float("nan"), 3e300], "norm_batch": [64.0, 1e308, 2.0], "n": [1.0, 2, 3]})
    assert csv(table) == b"loss,norm_batch,n\n1.1801e+22,64.0,1\n,1e+308,2\n3e+300,2.0,3\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<!-- hidden", "&lt;!-- hidden"),
        ("p < 0.001, 97.8 [97.4, 98.2]", "p < 0.001, 97.8 [97.4, 98.2]"),
        ("`code`", "\\`code\\`"),
        ("[here](javascript:alert(1))", "[here\\](javascript:alert(1))"),
        ("![x](http://a/b.png)", "\\![x\\](http://a/b.png)"),
        ("[a]: http://b", "[a\\]: http://b"),
        ("a\\|b", "a\\\\|b"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_shows_what_stands_there(text: str, shown: str) -> None:
    assert markdown_text(text) == shown


def test_a_pipe_does_not_end_a_cell() -> None:
    assert markdown_cell("a|b\\|c") == "a\\|b\\\\\\|c"


def test_a_block_of_code_is_not_ended_by_its_text() -> None:
    assert code_block("a\n```\n<b>") == "````\na\n```\n<b>\n````"


def test_a_hostile_run_is_harmless_in_every_page(tmp_path: Path) -> None:
    faults.write(tmp_path)
    hostile = "=1|<script>alert(1)</script>`x`[a](b)"
    path = tmp_path / "runs" / faults.NAME / faults.VICTIM / "result.json"
    content = json.loads(path.read_text())
    content |= {"status": "failed", "reason": hostile, "traceback": hostile}
    content["data"]["label"] = hostile
    path.write_text(json.dumps(content))
    experiment = load_experiment(faults.NAME, tmp_path / "experiments")
    collection = collect(faults.NAME, tmp_path / "runs")
    study = Study(experiment, collection)
    found = pages(study, judge(experiment, collection.table), [], failures_table(study))
    for page in found.values():
        assert b"<script>alert" not in page
        assert b"alert(1)" in page, "it is shown"
    markdown = found["report.md"].decode()
    assert "=1\\|&lt;script>alert(1)&lt;/script>\\`x\\`[a\\](b)" in markdown
