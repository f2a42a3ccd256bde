"""The stability frontier: the highest value at which enough runs trained, by seed too, and what lies beyond."""

from pathlib import Path

import pandas as pd
import pytest
from tests.report import synthetic

from normfree.config.errors import UserError
from normfree.report.figures import frontier as figure
from normfree.report.figures.frontier import frontier
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Arm, Panel, Study, collect
from normfree.study.arms import arm_of
from normfree.study.experiment import parse_experiment


def arm(value: float, *statuses: str) -> Arm:
    rows = [
        {"run_id": f"{value}-{seed}", "arm_id": str(value), "seed": seed, "status": status, "test/accuracy": 0.9}
        for seed, status in enumerate(statuses)
    ]
    return arm_of(pd.DataFrame(rows))


GOOD, BAD = "finished", "diverged"
ARMS = {0.1: arm(0.1, GOOD, GOOD, GOOD), 0.4: arm(0.4, GOOD, GOOD, BAD), 1.6: arm(1.6, GOOD, BAD, "untrained")}


@pytest.mark.parametrize(("at_least", "expected"), [(None, 0.1), (3, 0.1), (2, 0.4), (1, 1.6)])
def test_enough_runs_have_to_train(at_least: int | None, expected: float) -> None:
    found = frontier(ARMS, at_least)
    assert found.highest == expected
    assert found.seeds == {0: 1.6, 1: 0.4, 2: 0.1}
    assert found.tried == (0.1, 0.4, 1.6)
    assert found.is_open == (expected == 1.6)


def test_after_a_search_it_is_the_median_of_the_seeds() -> None:
    """Every seed is tried at values of its own, so that all that were tried at a high value may be one that trained."""
    seeds = {0: {0.1: GOOD, 1.6: GOOD, 6.4: BAD}, 1: {0.1: GOOD, 0.4: GOOD, 6.4: BAD}, 2: {0.1: BAD, 6.4: BAD}}
    tried: dict[float, list[dict[str, object]]] = {}
    for seed, found in seeds.items():
        for value, status in found.items():
            row = {"run_id": f"{value}-{seed}", "arm_id": str(value), "seed": seed, "status": status}
            tried.setdefault(value, []).append(row | {"test/accuracy": 0.9})
    arms = {value: arm_of(pd.DataFrame(rows)) for value, rows in tried.items()}
    assert frontier(arms, None).highest == 0.4
    assert frontier(arms, 1).highest == 1.6
    assert frontier(arms, None).seeds == {0: 1.6, 1: 0.4, 2: None}


def test_nowhere_is_no_value() -> None:
    found = frontier({0.1: arm(0.1, BAD, BAD)}, None)
    assert found.highest is None
    assert found.seeds == {0: None, 1: None}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder: Path = tmp_path_factory.mktemp("frontier")
    made = [
        synthetic.made("nf_resnet20", clip, batch, lr, seed, None, ["g"])
        for clip in ("none", "agc04")
        for batch in (16, 64)
        for lr in (0.4, 1.6, 6.4)
        for seed in range(3)
    ]
    synthetic.write(made, folder / "exp")
    series = {"nf": {"where": {"clip": "none"}}, "agc": {"where": {"clip": "agc"}}}
    return Study(parse_experiment({"series": series}, "exp"), collect("exp", folder))


def test_marks_stand_at_the_frontier_and_what_trains_nowhere_is_in_the_strip(study: Study) -> None:
    panel = Panel("p", "frontier", "T", {}, (), {"x": "batch", "at_least": 3})
    context = _context(panel, study)
    axes = new_figure(4, 3).add_subplot()
    figure.draw(axes, context)
    table = study.collection.table
    trained = table[table["status"] == "finished"].groupby(["clip.name", "batch.global", "lr"]).size()
    for name, clip in (("nf", "none"), ("agc", "agc")):
        look = context.looks[name]
        (line,) = [one for one in axes.lines if one.get_marker() == look.marker and one.get_linestyle() == "-"]
        expected = [
            max((lr for (_, b, lr), n in trained[[clip]].items() if b == batch and n == 3), default=float("nan"))
            for batch in (16.0, 64.0)
        ]
        assert list(line.get_ydata()) == pytest.approx(expected, nan_ok=True)  # type: ignore[arg-type]
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "largest learning rate that trains"


@pytest.mark.parametrize("least", [0, "two", True])
def test_at_least_is_a_number_of_runs(study: Study, least: object) -> None:
    panel = Panel("p", "frontier", "T", {}, (), {"x": "batch", "at_least": least})
    with pytest.raises(UserError, match=f"experiment.panels.p.at_least={least}: give a number of runs"):
        figure.draw(new_figure(4, 3).add_subplot(), _context(panel, study))
