"""Differences of paired seeds: what is drawn, and where there is nothing to compare."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from tests.report import synthetic

from normfree.config import UserError
from normfree.report.caption import caption_of
from normfree.report.figures import difference_over, kind_of
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Panel, Study, collect
from normfree.study.experiment import parse_experiment

SERIES = {
    "bn": {"label": "BN {tuned}", "where": {"model.name": "resnet20"}},
    "agc": {"label": "AGC", "where": {"clip.label": "AGC 0.04"}},
    "nf": {"label": "unclipped", "where": {"model.name": "nf_resnet20", "clip.label": "none"}},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("pairs")
    seeds = range(4)
    runs = [synthetic.made("resnet20", "none", 64, lr, seed, 64, ["g"]) for lr in (0.4, 1.6) for seed in seeds]
    runs += [synthetic.made("nf_resnet20", "agc04", 64, lr, seed, None, ["g"]) for lr in (0.4, 1.6) for seed in seeds]
    runs += [synthetic.made("nf_resnet20", "none", 64, 1.6, seed, None, ["g"]) for seed in seeds]
    synthetic.write(runs, folder / "exp")
    return Study(parse_experiment({"series": SERIES}, "exp"), collect("exp", folder))


def panel_of(**options: str) -> Panel:
    return Panel("p", "difference_over", "Title", {}, (), {"x": "lr", "baseline": "bn", **options})


def drawn(study: Study, **options: str) -> Axes:
    axes = new_figure(4, 3).add_subplot()
    difference_over.draw(axes, _context(panel_of(**options), study))
    return axes


def test_means_are_those_of_differences_by_seed(study: Study) -> None:
    table = study.collection.table.sort_values("seed")
    accuracy = table.pivot_table(index="seed", columns=["model.name", "clip.label", "lr"], values="test/accuracy")
    expected = [
        100 * (accuracy["nf_resnet20", "AGC 0.04", lr] - accuracy["resnet20", "none", lr]).mean() for lr in (0.4, 1.6)
    ]
    means = next(
        line
        for line in drawn(study).lines
        if line.get_linestyle() == "-" and len(line.get_xdata()) == 2 and line.get_xdata()[0] != line.get_xdata()[1]
    )  # type: ignore[index,arg-type]
    np.testing.assert_allclose(means.get_ydata(), expected, atol=1e-9)


def test_what_failed_has_no_difference_and_is_counted(study: Study) -> None:
    axes = drawn(study)
    assert "✕4/4" in [text.get_text() for text in axes.texts]
    colour = _context(panel_of(), study).looks["nf"].colour
    dots = [line for line in axes.lines if line.get_color() == colour and line.get_marker() == "."]
    assert not dots


def test_the_caption_names_the_baseline(study: Study) -> None:
    context = _context(panel_of(), Study(replace(study.experiment, panels=(panel_of(),)), study.collection))
    assert "test accuracy less that of BN {tuned} with the same seed" in caption_of([context])
    assert kind_of(panel_of()).options >= {"x", "baseline", "measure"}


def test_seeds_without_a_partner_are_not_compared(study: Study) -> None:
    context = _context(panel_of(), study)
    arms = context.along()
    agc, bn = arms["agc"][0.4], arms["bn"][0.4]
    assert len(difference_over.paired(agc, bn)) == 4
    assert difference_over.paired(replace(agc, runs=agc.runs[agc.runs["seed"] < 3]), bn) == []
    assert difference_over.paired(agc, None) == []


@pytest.mark.parametrize("baseline", ["bnn", "agcs"])
def test_a_baseline_that_is_no_series(study: Study, baseline: str) -> None:
    with pytest.raises(
        UserError, match=f"experiment.panels.p.baseline={baseline}: is no series of this panel, did you"
    ):
        drawn(study, baseline=baseline)


@pytest.mark.parametrize("kind", ["accuracy_over", "difference_over"])
def test_the_caption_says_what_validation_chose(study: Study, kind: str) -> None:
    options = {"x": "batch.global", "best_of": "lr"} | ({"baseline": "bn"} if kind == "difference_over" else {})
    panel = Panel("p", kind, "Title", {}, (), options)
    told = kind_of(panel).caption(_context(panel, study))
    assert "of the learning rate that most seeds trained at and validation found best (left to right: BN" in told


def test_names_are_not_joined(tmp_path: Path) -> None:
    models = {"resnet20": 64, "nf_resnet20": None}
    runs = [
        synthetic.made(model, clip, 64, 0.4, seed, norm_batch, ["g"])
        for model, norm_batch in models.items()
        for clip in ("none", "agc04")
        for seed in range(3)
    ]
    synthetic.write(runs, tmp_path / "exp")
    named = {"bn": "resnet20", "nf": "nf_resnet20"}
    series = {name: {"label": name, "where": {"model.name": model}} for name, model in named.items()}
    axes = drawn(Study(parse_experiment({"series": series}, "exp"), collect("exp", tmp_path)), x="clip.label")
    look = [line for line in axes.lines if line.get_linestyle() == "-" and line.get_marker() not in ("None", "_", ".")]
    (means,) = look
    places = list(means.get_xdata())  # type: ignore[arg-type]
    assert len([x for x in places if not np.isnan(x)]) == 2
    assert not [(a, b) for a, b in pairwise(places) if not np.isnan(a + b)]
