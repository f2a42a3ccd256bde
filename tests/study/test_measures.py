"""Measures: a row each, and figures and claims that take any of them."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import ROOT
from tests.study.test_verdicts import claiming, table

from normfree.config.errors import UserError
from normfree.report.caption import caption_of
from normfree.report.figures import kind_of
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import MEASURES, Collection, Experiment, Study, collect, judge, load_experiment
from normfree.study.measures import Measure, measure_of

FIXTURES = ROOT / "tests" / "report" / "fixtures"


def timed(**seconds: list[float]) -> pd.DataFrame:
    """Runs that all trained, by side, with their seconds."""
    runs = table(**{side: [("finished", 0.9)] * len(each) for side, each in seconds.items()})
    return runs.assign(**{"time.seconds": [value for each in seconds.values() for value in each]})


def verdict(claim: dict[str, Any], runs: pd.DataFrame) -> tuple[str, str, str]:
    (found,) = judge(claiming(claim), runs)
    return found.verdict, found.sentence, found.rule


FASTER = {"kind": "higher_accuracy", "measure": "time.seconds", "margin": 1}


def test_less_of_what_costs_is_better() -> None:
    quick, slow = [10.0, 10.2, 9.9], [12.1, 12.3, 11.9]
    outcome, sentence, rule = verdict(FASTER, timed(a=quick, b=slow))
    assert outcome == "supported"
    assert "A 10.03 s; B 12.1 s; mean difference -2.07 s (95 % interval" in sentence
    assert "in the time of a run against -1 s" in rule
    assert verdict(FASTER, timed(a=slow, b=quick))[0] == "refuted"
    assert verdict(FASTER, timed(a=[11.3, 11.5, 11.0], b=[12.2, 12.3, 12.2]))[0] == "inconclusive"


def test_equal_by_another_measure() -> None:
    claim = {"kind": "equal_accuracy", "measure": "time.seconds", "margin": 0.5}
    assert verdict(claim, timed(a=[10.0, 10.1, 10.2], b=[10.05, 10.1, 10.15]))[0] == "supported"
    assert verdict(claim, timed(a=[10.0, 10.1, 10.2], b=[12.0, 12.1, 12.2]))[0] == "refuted"


DEARER = {"kind": "costs_more", "measure": "time.seconds", "ratio": 1.5}


def test_a_ratio_has_its_interval_and_is_paired_by_seed() -> None:
    double, single = [20.0, 42.0, 78.0], [10.0, 20.0, 40.0]
    outcome, sentence, rule = verdict(DEARER, timed(a=double, b=single))
    assert outcome == "supported"
    assert "A 46.67 s; B 23.33 s; ratio 2.02 (95 % interval 1.84 to 2.21, n = 3; geometric mean)" in sentence
    assert "ratios in the time of a run against a ratio of 1.5" in rule
    assert verdict(DEARER, timed(a=single, b=double))[0] == "refuted"
    assert verdict(DEARER, timed(a=[15.0, 31.0, 60.0], b=single))[0] == "inconclusive"


def test_no_ratio_without_a_value_above_0() -> None:
    assert "ratios need a time of a run above 0" in verdict(DEARER, timed(a=[1.0, 2.0, 3.0], b=[0.0, 1.0, 2.0]))[1]
    unreached = timed(a=[1.0, 2.0, math.nan], b=[1.0, 1.0, 2.0])
    assert "A has runs without a time of a run" in verdict(DEARER, unreached)[1]
    with pytest.raises(UserError, match=r"claims\.c0\.ratio=0: give a number above 0"):
        verdict({**DEARER, "ratio": 0}, timed(a=[1.0], b=[1.0]))


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (
            "time.second",
            r"claims\.c0\.measure=time\.second: the runs have no such measure, did you mean 'time\.seconds'",
        ),
        ("side", r"measure=side: the runs have no such measure"),
        ("steps_done", r"measure=steps_done: neither more nor less of it is better; there are: test/accuracy,"),
    ],
)
def test_what_cannot_be_compared(measure: str, message: str) -> None:
    runs = timed(a=[1.0, 2.0, 3.0], b=[1.0, 2.0, 3.0]).assign(steps_done=3)
    with pytest.raises(UserError, match=message):
        verdict({"kind": "higher_accuracy", "measure": measure}, runs)


def test_rows_are_whole() -> None:
    for name, row in MEASURES.items():
        assert name == row.name
        assert row.better in ("higher", "lower", "")
        assert not (row.share and (row.unit or row.log)), name
    assert len(MEASURES) > 20


def test_a_number_without_a_row_has_its_own_name() -> None:
    own = measure_of("mine", pd.DataFrame({"mine": [1.0, None]}), "panel")
    assert own == Measure("mine", "mine")
    assert (own.axis, own.better) == ("mine", "")


@pytest.fixture(scope="module")
def demo() -> tuple[Experiment, Collection]:
    return load_experiment("demo", FIXTURES / "experiments"), collect("demo", FIXTURES / "sweeps")


@pytest.mark.parametrize(
    ("measure", "axis"), [("test/loss", "test loss (nats)"), ("model.macs", "multiply-adds per image")]
)
def test_a_panel_of_another_measure(demo: tuple[Experiment, Collection], measure: str, axis: str) -> None:
    experiment, collection = demo
    panel = next(panel for panel in experiment.panels if panel.name == "stability")
    other = replace(panel, options={**panel.options, "measure": measure})
    context = _context(other, Study(experiment, collection))
    axes = new_figure(3, 3).add_subplot()
    kind_of(other).draw(axes, context)
    assert axes.get_ylabel() == axis
    assert "chance" not in kind_of(other).marks(context)
    assert "at chance" not in caption_of([context])
    table = collection.table
    runs = table[table["grids"].map(lambda grids: "stability" in grids) & table["status"].eq("finished")]
    drawn = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() == "."])  # type: ignore[arg-type]
    assert sorted(drawn) == pytest.approx(sorted(runs[measure].astype(float)), rel=1e-12)
    low, high = axes.get_ylim()
    assert low < drawn.min()
    assert drawn.max() < high
