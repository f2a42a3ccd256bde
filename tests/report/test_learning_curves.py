"""Learning curves: the legend explains a cross where there is one."""

from dataclasses import replace

import pytest

from normfree.report.layout import _context, _legend
from normfree.study import Collection, Experiment, Study


@pytest.mark.parametrize(("status", "explained"), [("diverged", True), ("finished", False)])
def test_crosses_in_the_legend(experiment: Experiment, collection: Collection, status: str, explained: bool) -> None:
    panel = next(panel for panel in experiment.panels if panel.name == "curves")
    table = collection.table[collection.table["status"] == status]
    some = replace(collection, table=table)
    labels = [entry.get_label() for entry in _legend([_context(panel, Study(experiment, some))])]
    assert ("diverged" in labels) == explained
    assert any(label != "diverged" for label in labels)
