"""Figures leave no room empty, and show the whole of an interval that is not absurdly wide."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.report import synthetic

from normfree.report import layout
from normfree.report.axes import Scale
from normfree.report.figures.accuracy_over import _limits
from normfree.report.layout import TWO_COLUMNS, Page, _context
from normfree.report.style import new_figure
from normfree.study import Arm, Measure, Study, collect
from normfree.study.arms import arm_of
from normfree.study.chosen import Choice, chosen
from normfree.study.experiment import parse_experiment

ACCURACY = Measure("test/accuracy", "test accuracy", share=True)
GAP = Measure("gap", "gap", log=True)


def arm(measure: Measure, values: Sequence[float], status: str = "finished") -> Arm:
    rows = {"seed": range(len(values)), "status": status, "arm_id": "a", "run_id": "r", "stalled": False}
    return arm_of(pd.DataFrame({**rows, measure.name: values}), 0.95, measure)


@pytest.mark.parametrize("values", [(0.417, 0.45, 0.467), (0.2, 0.2, 0.3), (0.2, 0.3, 0.3)])
@pytest.mark.parametrize("kind", ["linear", "logit", "log"])
def test_an_interval_of_three_seeds_is_whole(kind: str, values: tuple[float, ...]) -> None:
    measure = GAP if kind == "log" else ACCURACY
    shown = arm(measure, values)
    assert shown.interval is not None
    low, high = _limits([shown], 10.0, Scale(kind == "logit", kind == "log"), measure)
    assert low < measure.shown(shown.interval.low)
    assert measure.shown(shown.interval.high) < high


@pytest.mark.parametrize("kind", ["linear", "logit", "log"])
def test_one_that_is_absurdly_wide_does_not_shrink_the_others(kind: str) -> None:
    measure = GAP if kind == "log" else ACCURACY
    scale = Scale(kind == "logit", kind == "log")
    two = arm(measure, (0.4, 0.5))
    assert two.interval is not None
    assert two.interval.high > 1
    assert _limits([two], 30.0, scale, measure) == _limits(
        [arm(measure, (0.4, 0.5), "untrained")], 30.0, scale, measure
    )


def widths(count: int, columns: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[list[float], list[str]]:
    """Of `count` panels of a figure, as shares of its width, with their titles."""
    runs = [synthetic.made("resnet20", "none", 64, lr, seed, 64, ["g"]) for lr in (0.4, 1.6) for seed in range(3)]
    synthetic.write(runs, folder / "exp")
    panels = {f"p{n}": {"kind": "accuracy_over", "x": "lr", "title": f"Title {n}"} for n in range(count)}
    study = Study(parse_experiment({"panels": panels}, "exp"), collect("exp", folder))
    drawn: list[Figure] = []

    def kept(figure: Figure) -> dict[str, bytes]:
        figure.draw_without_rendering()
        drawn.append(figure)
        return {}

    monkeypatch.setattr(layout, "encode", kept)
    contexts = [_context(panel, study) for panel in study.experiment.panels]
    layout._drawing("main", "Main", contexts, Page(columns, TWO_COLUMNS, titled=False))
    return [axes.get_position().width for axes in drawn[0].axes], [axes.get_title() for axes in drawn[0].axes]


def test_three_panels_leave_no_quarter_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = widths(3, 2, monkeypatch, tmp_path)[0]
    assert third > 0.8 > first + second - 0.1
    assert third > 1.8 * first


def test_panels_of_a_paper_say_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert widths(2, 1, monkeypatch, tmp_path)[1] == ["a  Title 0", "b  Title 1"]
    # The caption beside it says what one panel is.
    assert widths(1, 1, monkeypatch, tmp_path)[1] == [""]


@pytest.mark.parametrize(
    ("arms", "figure"), [(("none",), ("accuracy",)), (("none", "agc04"), ("accuracy", "outcomes"))]
)
def test_tiles_do_not_say_again_what_a_strip_says(tmp_path: Path, arms: Sequence[str], figure: Sequence[str]) -> None:
    runs = [synthetic.made("nf_resnet20", clip, 64, lr, 0, None, ["g"]) for clip in arms for lr in (0.4, 12.8)]
    synthetic.write(runs, tmp_path / "exp")
    found = collect("exp", tmp_path)
    content = chosen("exp", found.table, Choice())
    assert content["figure"] == list(figure)
    study = Study(parse_experiment(content, "exp"), found)
    context = next(_context(panel, study) for panel in study.experiment.panels if panel.kind == "trained_share")
    kind, axes = layout.kind_of(context.panel), new_figure(4, 3).add_subplot()
    kind.draw(axes, context)
    assert axes.get_box_aspect() == pytest.approx(0.2 * len(arms))
    assert kind.height(context) < 2.2
