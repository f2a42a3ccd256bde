"""Conditions side by side: what is a number is joined to its neighbour, a name to nothing."""

import math

import pytest
from matplotlib.axes import Axes
from tests.report import synthetic

from normfree.report.figures import over_conditions
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Panel, Study, collect
from normfree.study.experiment import parse_experiment


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("conditions")
    synthetic.write([synthetic.made("resnet20", "none", 64, 0.4, seed, 64, ["g"]) for seed in range(3)], folder / "exp")
    series = {"bn": {"label": "BN", "where": {"model.name": "resnet20"}}}
    return Study(parse_experiment({"series": series}, "exp"), collect("exp", folder))


def drawn(study: Study, *labels: str) -> Axes:
    conditions = dict.fromkeys(labels, "test/accuracy")
    axes = new_figure(4, 3).add_subplot()
    over_conditions.draw(axes, _context(Panel("p", "over_conditions", "T", {}, (), {"conditions": conditions}), study))
    return axes


def joined(axes: Axes, linewidth: float = 0.8) -> list[tuple[float, float]]:
    """Places that a line joins."""
    lines = [line for line in axes.lines if line.get_linestyle() == "-" and line.get_linewidth() == linewidth]
    series = [line for line in lines if len(set(line.get_xdata())) > 1]  # type: ignore[arg-type]
    return [
        (round(a), round(b))
        for line in series
        for a, b in zip(line.get_xdata(), line.get_xdata()[1:], strict=False)  # type: ignore[arg-type, index]
        if not math.isnan(a + b)
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("1", "4", "16.5"), [(0, 1), (1, 2)]),
        (("1", "4", "running"), [(0, 1)]),
        (("noise", "noise\n256", "contrast"), []),
        (("nan", "1", "inf", "2", "3"), [(3, 4)]),
    ],
)
def test_numbers_alone_are_joined(labels: tuple[str, ...], expected: list[tuple[int, int]], study: Study) -> None:
    axes = drawn(study, *labels)
    assert joined(axes) == expected
    means = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_marker() not in (".", "None")]
    (shown,) = means
    assert [round(x) for x in shown.get_xdata() if not math.isnan(x)] == list(range(len(labels)))  # type: ignore[union-attr]
