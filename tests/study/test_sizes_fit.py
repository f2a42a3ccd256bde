"""What a size of an experiment plans is what its report shows and judges."""

import re
from pathlib import Path

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from tests.conftest import ROOT, composed

from normfree.cli.sized import with_size
from normfree.config.experiment_sizes import grids_of, named, node_of, sizes_of
from normfree.config.places import Places
from normfree.study import Study, judge
from normfree.study.opened import opened
from normfree.study.select import select
from normfree.sweep.grids import expand
from normfree.sweep.planned import plan_runs
from normfree.sweep.searches import scans_of, without_searches
from normfree.sweep.sweep import add_runs_to_plan

FOLDER = ROOT / "experiments"
WITH_WEIGHTS = ("transfer",)
"""Experiments whose runs start from those of another, which are planned when these are there."""
SIZES = [
    (path.stem, size)
    for path in sorted(FOLDER.glob("*.yaml"))
    for size in sizes_of(node_of(path, path.stem), path.stem)
    if path.stem not in WITH_WEIGHTS
]


def combinations(words: list[str]) -> list[list[str]]:
    (found,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(words), None)
    return found


def planned(name: str, size: str, runs_dir: Path) -> Study:
    """The report of a size before any of its runs, of one seed; of a search, its lower end."""
    node, places = node_of(FOLDER / f"{name}.yaml", name), Places.of(ROOT / "conf")
    words = with_size([f"experiment={name}", f"size={size}", f"runs_dir={runs_dir}", "seed=0"], places)
    grids = grids_of(node, size)
    plain, scans = without_searches(grids, words), scans_of(grids, words, combinations)
    every = expand(plain, words, combinations) if plain else []
    every += [(scan.at(0), list(scan.grids)) for scan in scans]
    add_runs_to_plan(plan_runs(every, lambda one: composed(*one)), {})
    return opened(named(name, size), [FOLDER], runs_dir)


@pytest.mark.parametrize(("name", "size"), SIZES, ids=["-".join(each) for each in SIZES])
def test_every_run_is_shown_and_every_text_is_of_these_runs(name: str, size: str, tmp_path: Path) -> None:
    study = planned(name, size, tmp_path)
    experiment, table = study.experiment, study.collection.table
    assert experiment.claims, "a size answers its question by a claim"
    assert len(judge(experiment, table)) == len(experiment.claims)
    shown, texts = set[str](), [claim.claim for claim in experiment.claims]
    for panel in (one for one in experiment.panels if one.name in experiment.figure):
        runs = select(table, panel.where)
        every = [select(runs, one.where) for one in experiment.series if one.name in panel.series]
        assert any(map(len, every)), f"panel {panel.name}: no run of any series"
        shown.update(*(each["run_id"] for each in every), runs["run_id"] if panel.kind == "heat_map" else ())
        texts.append(panel.title)
    assert shown == set(table["run_id"]), "a run that no panel of the figure shows is trained for nothing"
    for text in texts:
        for unit, said in (("epochs", r"(\d+) epochs\b"), ("steps", r"In (\d+) steps\b")):
            assert {float(number) for number in re.findall(said, text)} <= set(table[unit].dropna()), text


@pytest.mark.parametrize("name", ["private", "shift"])
def test_a_report_before_the_first_run_has_ended_knows_what_its_runs_will_measure(name: str, tmp_path: Path) -> None:
    """Of both some panels show what no result holds yet."""
    study = planned(name, "gpu", tmp_path)
    measured = [str(panel.options["measure"]) for panel in study.experiment.panels if "measure" in panel.options]
    conditions = [panel.options.get("conditions", {}) for panel in study.experiment.panels]
    wanted = [*measured, *(str(one) for each in conditions for one in each.values())]
    assert wanted
    assert study.collection.table[wanted].isna().all(axis=None)
