"""What a report says of where its runs were made."""

from dataclasses import replace

import pytest

from normfree.report.facts import limits, provenance_grid
from normfree.study import Collection, Experiment, Study


@pytest.fixture
def uninstalled(collection: Collection) -> Collection:
    """Of runs from a copy of the code that is not installed, as PYTHONPATH finds it, at two commits."""
    table = collection.table.copy()
    table["provenance.normfree"] = None
    made = table["provenance.torch"].notna()
    table.loc[table[made].index[0], "provenance.commit"] = "f" * 40
    return replace(collection, table=table)


def test_runs_without_an_installed_package_are_in_the_table(
    collection: Collection, uninstalled: Collection, experiment: Experiment
) -> None:
    def runs(of: Collection) -> int:
        return sum(int(row[-1]) for row in provenance_grid(of).rows)

    assert runs(uninstalled) == runs(collection) > 0
    assert any("different values of commit" in line for line in limits(Study(experiment, uninstalled)))
