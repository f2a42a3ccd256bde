"""Time to a target: from the evaluations of each run; runs that never reach it are counted and not averaged."""

from pathlib import Path

import numpy as np
import pytest
from tests.report import synthetic

from normfree.config.errors import UserError
from normfree.report.build import differences, render, write
from normfree.report.figures import time_to_target
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Study, collect, judge
from normfree.study.derived import to_target, with_derived
from normfree.study.experiment import parse_experiment
from normfree.study.stored import stored

SERIES = {"bn": {"where": {"model": "resnet20"}}, "agc": {"where": {"clip": "agc"}}}
PANEL = {"kind": "time_to_target", "x": "lr", "target": 0.9}
REACHED = {0: 60, 1: 80, 2: 100}
"""Step at which the BatchNorm run of each seed is first seen at 90 %."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("target")
    bn = [synthetic.made("resnet20", "none", 64, 0.4, seed, 64, ["g"]) for seed in REACHED]
    agc = [synthetic.made("nf_resnet20", "agc04", 64, 0.4, seed, None, ["g"]) for seed in REACHED]
    synthetic.write([*bn, *agc], folder / "exp")
    for one in (*bn, *agc):
        at = REACHED[one["seed"]] if one["model"] == "resnet20" or one["seed"] == 0 else 1000
        rows = [f"{step},{0.95 if step >= at else 0.5}" for step in range(20, 301, 20)]
        path = folder / "exp" / one["run_id"] / "metrics.csv"
        path.write_text("\n".join(["step,validation/accuracy", "10,", *rows]) + "\n")
    return folder


def study_of(folder: Path, **changes: object) -> Study:
    claim = {"kind": "higher_accuracy", "claim": "c", "a": "bn", "b": "agc", "measure": "steps_to:0.9"}
    content = {"series": SERIES, "panels": {"p": PANEL | changes}, "claims": {"c": claim}}
    experiment = parse_experiment(content, "exp")
    return Study(experiment, with_derived(experiment, collect("exp", folder)))


@pytest.mark.parametrize(
    ("unit", "factor"), [("steps", 1.0), ("epochs", 64 / 3500), ("seconds", None), ("training_seconds", None)]
)
def test_the_first_evaluation_at_the_target_counts(folder: Path, unit: str, factor: float | None) -> None:
    study = study_of(folder, unit=unit)
    runs = study.table[study.table["model.name"] == "resnet20"].sort_values("seed")
    steps = np.array(list(REACHED.values()))
    each = 64 / runs["time.images_per_second"] if "_" in unit else runs["time.seconds"] / runs["steps_done"]
    expected = steps * each if factor is None else steps * factor
    np.testing.assert_allclose(runs[f"{unit}_to:0.9"], expected)


def test_runs_that_never_reach_it_are_counted_and_have_no_mean(folder: Path) -> None:
    study = study_of(folder, unit="steps")
    context = _context(study.experiment.panels[0], study)
    axes = new_figure(4, 3).add_subplot()
    time_to_target.draw(axes, context)
    assert "↑2/3" in [text.get_text() for text in axes.texts]
    arrows = [line for line in axes.lines if line.get_marker() is time_to_target.NOT_REACHED and len(line.get_xdata())]  # type: ignore[arg-type]
    assert [list(line.get_ydata()) for line in arrows] == [[300.0, 300.0]]  # type: ignore[arg-type]
    means = [
        line for line in axes.lines if line.get_marker() == context.looks["bn"].marker and len(line.get_xdata()) == 1
    ]  # type: ignore[arg-type]
    assert list(means[0].get_ydata()) == pytest.approx([80.0])  # type: ignore[arg-type]


def test_claims_take_it_as_a_measure(folder: Path) -> None:
    study = study_of(folder)
    (verdict,) = judge(study.experiment, study.collection.table)
    assert verdict.verdict == "inconclusive"
    assert "has runs without a steps to 90 % validation accuracy" in verdict.sentence


def test_the_column_is_among_the_rows_of_the_report(folder: Path) -> None:
    study = study_of(folder)
    assert b"epochs_to:0.9" in render(study, [])["runs.csv"].splitlines()[0]


def test_a_stored_report_has_the_times_and_no_others(folder: Path, tmp_path: Path) -> None:
    study = study_of(folder, unit="steps")
    files = render(study, [])
    write(files, tmp_path)
    again = Study(study.experiment, with_derived(study.experiment, stored(tmp_path)))
    assert differences(render(again, []), tmp_path) == []
    other = parse_experiment({"series": SERIES, "panels": {"p": PANEL | {"target": 0.8}}}, "exp")
    with pytest.raises(UserError, match=r"epochs_to:0.8: the rows stored with the report do not have it"):
        with_derived(other, stored(tmp_path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "p.target=None: give the accuracy to reach as a share"),
        ({"target": 90}, "p.target=90: give the accuracy"),
        ({"target": 0.9, "unit": "hours"}, "p.unit=hours: no such unit; there are: epochs, steps, seconds"),
    ],
)
def test_what_is_no_target(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        to_target(options, "p")
