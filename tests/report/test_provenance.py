"""What a report says of where its runs were made."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.report import synthetic

from normfree.report.build import render
from normfree.report.facts import limits
from normfree.report.provenance import provenance_grid
from normfree.study import Collection, Experiment, Study, collect
from normfree.study.experiment import parse_experiment


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


def test_commits_are_of_one_length_and_a_release_says_what_it_is(collection: Collection) -> None:
    table = collection.table.copy()
    made = table[table["provenance.torch"].notna()].index
    table.loc[made[0], "provenance.commit"] = "f" * 7
    table.loc[made[1], "provenance.commit"] = "v0.2.0"
    commits = {row[0] for row in provenance_grid(replace(collection, table=table)).rows}
    assert commits == {"0123456", "fffffff", "version 0.2.0, installed, no repository"}


def test_runs_of_a_changed_tree_are_named(collection: Collection, experiment: Experiment) -> None:
    table = collection.table.copy()
    made = table[table["provenance.torch"].notna()].index
    table.loc[made[:2], "provenance.dirty"] = True
    study = Study(experiment, replace(collection, table=table))
    assert any(line.startswith("2 runs, named under how each number was made") for line in limits(study))
    files = render(study, [])
    names = [str(name) for name in table.loc[made[:2], "run_id"]]
    assert f"had (see `provenance.dirty` in [runs.csv](runs.csv)): `{names[0]}`, `{names[1]}`." in str(
        files["report.md"], "utf-8"
    )
    page = str(files["report.html"], "utf-8")
    anchor = page.partition(f'">{names[0]}</a>')[0].rpartition('"#')[2]
    assert f'<table id="{anchor}">' in page


def test_what_says_nothing_is_left_out(collection: Collection, experiment: Experiment) -> None:
    """No rules of claims that are none; the file of the loss curves is named where it is."""
    bare = replace(experiment, claims=(), panels=(), figure=())
    files = render(Study(bare, collection), [])
    assert "curves.csv.gz" in files
    for name in ("report.md", "report.html"):
        page = str(files[name], "utf-8")
        assert "Holm" not in page
        assert "#rules" not in page
        assert "curves.csv.gz" in page


def test_one_seed_has_no_interval_to_be_wide(tmp_path: Path) -> None:
    runs = [synthetic.made("resnet20", "none", 64, lr, 0, 64, ["g"]) for lr in (0.4, 1.6)]
    synthetic.write(runs, tmp_path / "exp")
    found = limits(Study(parse_experiment({}, "exp"), collect("exp", tmp_path)))
    assert "Some arms have one seed, and no interval: what differs between them may be luck." in found
