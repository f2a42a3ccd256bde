"""Figures for a paper: their width, no titles, and captions that say of what runs they are."""

import io
from pathlib import Path

import pytest
from PIL import Image

from normfree.report.build import render
from normfree.report.caption import caption_of, rate_rule, runs_of
from normfree.report.figures import accuracy_over
from normfree.report.layout import _context
from normfree.report.style import COLUMN, PAGE, new_figure
from normfree.study import Collection, Experiment, Panel, Study


@pytest.mark.parametrize(("size", "inches"), [("column", COLUMN), ("page", PAGE)])
def test_widths_and_captions(experiment: Experiment, collection: Collection, size: str, inches: float) -> None:
    files = render(Study(experiment, collection), [], size)
    paper = {name: content for name, content in files.items() if name.startswith("paper/")}
    assert {Path(name).suffix for name in paper} == {".png", ".pdf", ".svg", ".txt"}
    for name, content in paper.items():
        if name.endswith(".png"):
            assert Image.open(io.BytesIO(content)).width == pytest.approx(200 * inches, abs=1), name
    caption = paper[f"paper/main-{size}.txt"].decode()
    assert "(a) Batch 64; (b) Batch dependence" in caption
    assert "300 steps a run" in caption
    assert "Trained on" in caption


def test_titles_are_left_to_the_caption(experiment: Experiment, collection: Collection) -> None:
    files = render(Study(experiment, collection), [], "column")
    assert len(files["figures/stability.svg"]) > len(files["paper/stability-column.svg"])


@pytest.mark.parametrize(
    ("where", "x", "said"),
    [
        ({"grids": "stability"}, "lr", "learning rate as on the axis"),
        ({"lr": 0.8}, "batch.norm_batch", "learning rate 0.8"),
        ({"grids": "stability"}, "batch", "learning rates 0.2 to 3.2, each arm its own"),
    ],
)
def test_the_rule_of_the_learning_rate(
    experiment: Experiment, collection: Collection, where: dict[str, object], x: str, said: str
) -> None:
    context = _context(Panel("p", "accuracy_over", "T", where, (), {"x": x}), Study(experiment, collection))
    assert rate_rule(runs_of(context), context) == said


def test_in_proportion_to_the_batch(experiment: Experiment, collection: Collection) -> None:
    context = _context(Panel("p", "accuracy_over", "T", {}, (), {"x": "batch"}), Study(experiment, collection))
    runs = runs_of(context).assign(**{"batch.global": [64.0, 128.0] * 15, "lr": [0.1, 0.2] * 15})
    assert rate_rule(runs, context) == "learning rate 0.4 x batch / 256"


def test_a_diverged_run_is_in_the_strip_and_no_point(experiment: Experiment, collection: Collection) -> None:
    study = Study(experiment, collection)
    context = _context(experiment.panels[0], study)
    assert "diverged" in runs_of(context)["status"].tolist()
    axes = new_figure(4, 3).add_subplot()
    accuracy_over.draw(axes, context)
    assert not [line for line in axes.lines if line.get_marker() == "x"]
    assert any(text.get_text().startswith("✕") for text in axes.texts)
    assert axes.get_ylabel().endswith("logit scale")
    assert "diverged runs have none that means anything" in caption_of([context])
