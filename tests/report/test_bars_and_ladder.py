"""Bars of cost and the ladder of an ablation: medians, steps between rows, published columns."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Annotation
from tests.report import synthetic

from normfree.config.errors import UserError
from normfree.report.figures import bars, ladder
from normfree.report.figures.difference_over import paired
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Panel, Study, collect
from normfree.study.derived import with_derived
from normfree.study.experiment import parse_experiment

SERIES = {
    "bn": {"label": "BN", "where": {"model": "resnet20"}},
    "agc": {"label": "AGC", "where": {"clip": "AGC 0.04"}},
    "nf": {"label": "none", "where": {"model": "nf_resnet20", "clip": "none"}},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder: Path = tmp_path_factory.mktemp("cost")
    arms = [("resnet20", "none"), ("nf_resnet20", "agc04"), ("nf_resnet20", "none")]
    made = [
        synthetic.made(model, clip, 64, lr, seed, 64 if model == "resnet20" else None, ["g"])
        for model, clip in arms
        for lr in (0.4, 1.6)
        for seed in range(4)
    ]
    synthetic.write(made, folder / "exp")
    panels = {"cost": {"kind": "bars", "measure": "seconds_per_step"}}
    experiment = parse_experiment({"series": SERIES, "panels": panels}, "exp")
    return Study(experiment, with_derived(experiment, collect("exp", folder)))


def texts_of(study: Study, kind: object, panel: Panel) -> list[str]:
    axes = new_figure(7, 3).add_subplot()
    kind.draw(axes, _context(panel, study))  # type: ignore[attr-defined]
    return [text.get_text() for text in axes.texts]


def test_bars_are_medians_of_runs_that_took_all_steps(study: Study) -> None:
    context = _context(Panel("p", "bars", "T", {}, (), {"measure": "time.images_per_second"}), study)
    axes = new_figure(4, 3).add_subplot()
    bars.draw(axes, context)
    table = study.collection.table
    whole = table[(table["steps_done"] == table["steps"]) & table["status"].isin(["finished", "untrained", "diverged"])]
    expected = [
        whole[(whole["model.name"] == model) & (whole["clip.label"] == clip)]["time.images_per_second"].median()
        for model, clip in (("resnet20", "none"), ("nf_resnet20", "AGC 0.04"))
    ]
    assert [patch.get_width() for patch in axes.patches[:2]] == pytest.approx(expected)  # type: ignore[attr-defined]


def test_a_series_without_a_whole_run_has_no_bar(study: Study) -> None:
    said = texts_of(study, bars, Panel("whole", "bars", "T", {"lr": 1.6}, (), {"baseline": "bn"}))
    assert any("no run took all its steps" in text for text in said)
    assert any("ratio 1.00" in text for text in said)


def test_seconds_of_a_step_are_the_batch_over_the_rate(study: Study) -> None:
    table = study.collection.table
    np.testing.assert_allclose(table["seconds_per_step"], table["batch.global"] / table["time.images_per_second"])


def test_a_rung_is_compared_with_the_one_above(study: Study) -> None:
    panel = Panel("steps", "ladder", "T", {"lr": 0.4}, ("bn", "agc"), {"published": {"table 2": {"agc": 83.6}}})
    said = texts_of(study, ladder, panel)
    above, arm = (study.rung(panel, one) for one in study.series_of(panel))
    assert above is not None
    assert arm is not None
    mean = 100 * float(np.mean(paired(arm, above)))
    assert any(text.startswith(f"{mean:+.1f} [") for text in said)
    assert "83.6" in said
    assert "table 2" in said


@pytest.mark.parametrize("width", [3.3, 6.9])
def test_no_number_of_a_ladder_lies_on_another_or_beside_the_figure(study: Study, width: float) -> None:
    """The columns take the room that their texts need, at the width of a column of a paper as at a page's."""
    published = {"NFNet-F0": {"agc": 83.6}, "F1": {"agc": 84.7, "bn": 84.4}, "F3": {"bn": 85.5}}
    panel = Panel(f"wide{width}", "ladder", "T", {"lr": 0.4}, ("bn", "agc"), {"published": published})
    figure = new_figure(width, 2.6)
    axes = figure.add_subplot()
    ladder.draw(axes, _context(panel, study))
    figure.canvas.draw()
    shown = [text for text in axes.texts if isinstance(text, Annotation) and text.get_text()]
    boxes = [text.get_window_extent() for text in shown]
    assert len(boxes) > 10
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert not [(i, j) for i, j in combinations(range(len(boxes)), 2) if boxes[i].overlaps(boxes[j])]


def test_rungs_stand_in_the_order_of_the_panel(study: Study) -> None:
    panel = Panel("p", "ladder", "T", {"lr": 0.4}, ("agc", "bn"), {})
    assert [one.name for one in _context(panel, study).series] == ["agc", "bn"]


def test_a_rung_after_failures_has_no_step(study: Study) -> None:
    said = texts_of(study, ladder, Panel("after", "ladder", "T", {"lr": 1.6}, ("bn", "nf"), {}))
    assert "✕4/4" in said
    assert "none" in said


@pytest.mark.parametrize(
    ("where", "options", "said"),
    [
        ({}, {}, "a rung of a ladder is one arm, and series 'bn' has 2"),
        ({"lr": 0.4}, {"published": {"t": {"bnn": 1}}}, "published: 'bnn' is no series, did you mean 'bn'"),
        ({"lr": 0.4}, {"published": [1]}, "published: give columns of numbers by series"),
    ],
)
def test_what_is_no_ladder(study: Study, where: dict[str, float], options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        texts_of(study, ladder, Panel(f"p{len(where)}", "ladder", "T", where, (), options))


def test_a_baseline_that_is_no_series(study: Study) -> None:
    with pytest.raises(UserError, match="baseline=bnn: is no series of this panel, did you mean 'bn'"):
        texts_of(study, bars, Panel("p", "bars", "T", {}, (), {"baseline": "bnn"}))
