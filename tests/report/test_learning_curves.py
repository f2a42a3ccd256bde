"""Learning curves: the legend explains a cross where there is one."""

from dataclasses import replace

import pytest

from normfree.config import UserError
from normfree.report.figures.learning_curves import draw
from normfree.report.layout import _context, _legend
from normfree.report.style import new_figure
from normfree.study import Collection, Experiment, Study


@pytest.mark.parametrize(("status", "explained"), [("diverged", True), ("finished", False)])
def test_crosses_in_the_legend(experiment: Experiment, collection: Collection, status: str, explained: bool) -> None:
    panel = next(panel for panel in experiment.panels if panel.name == "curves")
    table = collection.table[collection.table["status"] == status]
    some = replace(collection, table=table)
    labels = [entry.get_label() for entry in _legend([_context(panel, Study(experiment, some))])]
    assert ("diverged" in labels) == explained
    assert any(label != "diverged" for label in labels)


def test_what_no_run_logged_is_refused_by_name(experiment: Experiment, collection: Collection) -> None:
    panel = next(panel for panel in experiment.panels if panel.name == "curves")
    context = _context(replace(panel, options={"y": "train/los"}), Study(experiment, collection))
    with pytest.raises(UserError, match=r"curves\.y=train/los: the runs did not log it, did you mean 'train/loss'"):
        draw(new_figure(4, 3).add_subplot(), context)


@pytest.mark.parametrize(("y", "options", "scale"), [
    ("train/loss", {}, "linear"), ("train/loss", {"y_scale": "log"}, "log"), ("skip_gain/mean_abs", {}, "log"),
    ("skip_gain/mean_abs", {"y_scale": "linear"}, "linear"),
])  # fmt: skip
def test_the_axis_is_what_becomes_the_measure(
    experiment: Experiment, collection: Collection, y: str, options: dict[str, str], scale: str
) -> None:
    panel = next(panel for panel in experiment.panels if panel.name == "curves")
    axes = new_figure(4, 3).add_subplot()
    draw(axes, _context(replace(panel, options={"y": y, **options}), Study(experiment, collection)))
    assert axes.get_yscale() == scale
