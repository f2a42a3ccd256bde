"""What a report shows of a search: the front, trials over their keys, and counts, from runs and from its own rows."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.report import synthetic

from normfree.config.errors import UserError
from normfree.report.build import differences, render, write
from normfree.report.figures import pareto, trials_over
from normfree.report.layout import _context
from normfree.report.searched import members_grid, outcomes_grid
from normfree.report.style import new_figure
from normfree.report.tables import failures_table
from normfree.study import Panel, Study, collect
from normfree.study.experiment import parse_experiment
from normfree.study.stored import stored
from normfree.study.trials import latencies_of, read_files, space_of, trials_of

CONTENT: dict[str, Any] = {
    "question": "Which?",
    "series": {
        "found": {"label": "found", "where": {"grids": "front"}},
        "bn": {"label": "BatchNorm", "where": {"grids": "beside"}},
    },
    "panels": {
        "pareto": {"kind": "pareto", "title": "Front", "budget": 12},
        "depth": {"kind": "trials_over", "title": "Depth", "x": "model.depth"},
        "history": {"kind": "trials_over", "title": "History", "x": "trial"},
        "rate": {"kind": "trials_over", "title": "Rate", "x": "lr"},
    },
}
FAST, SLOW, BESIDE = "nf_resnet20-agc04-b64-lr0.4", "nf_resnet20-agc04-b64-lr0.8", "resnet20-none-b64-lr0.4-bn64"
TRIALS = f"""\
trial,outcome,accuracy,short_accuracy,latency_ms,latency_low,latency_high,retry_of,run_id,arm_id,short_run_id,reason,model.depth,lr
0,finished,0.9,0.4,5.0,4.9,5.2,,a,{FAST},b,,"[1,1,1]",0.4
1,finished,0.95,0.5,8.0,7.9,8.2,,c,{SLOW},d,,"[1,2,1]",0.8
2,finished,0.85,0.5,9.0,8.9,9.2,,c2,x,d,,"[1,2,1]",0.05
3,pruned,,0.2,7.0,6.9,7.2,,,,e,,"[1,2,1]",1.6
4,over budget,,,15.0,14.9,15.2,,,,,,"[2,2,2]",0.1
5,diverged,,0.2,6.0,5.9,6.2,,f,g,h,,"[1,1,1]",3.2
6,refused,,,,,,,,,,no such network,"[2,2,2]",0.2
7,finished,0.8,0.5,9.0,8.9,9.2,,c3,x3,d,,"[1,2,1]",0.06
"""
LATENCY = f"""\
arm_id,grid,trial,latency_ms,latency_low,latency_high,batch,threads,rounds,clock,device,words
{FAST},front,0,5.1,5.0,5.3,32,1,15,cpu,CPU,x
{SLOW},front,1,8.1,8.0,8.3,32,1,15,cpu,CPU,x
{BESIDE},beside,,10.1,9.9,10.3,32,1,15,cpu,CPU,x
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("searched") / "exp"
    made = [
        synthetic.made("nf_resnet20", "agc04", 64, lr, seed, None, ["front"]) for lr in (0.4, 0.8) for seed in range(3)
    ]
    made += [synthetic.made("resnet20", "none", 64, 0.4, seed, 64, ["beside"]) for seed in range(3)]
    made += [synthetic.made("nf_resnet20", "agc04", 64, lr, 10, None, ["trials"]) for lr in (0.4, 0.8, 1.6)]
    made += [synthetic.made("nf_resnet20", "agc04", 64, 0.2, 10, None, ["trials_short"])]
    synthetic.write(made, place)
    (place / "trials.csv").write_text(TRIALS)
    (place / "latency.csv").write_text(LATENCY)
    return place


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return Study(parse_experiment(CONTENT, "exp"), collect("exp", folder.parent))


def drawn(study: Study, kind: Any, **options: Any) -> Any:
    panel = Panel("p", kind.__name__.rpartition(".")[2], "T", {}, (), options)
    axes = new_figure(4, 3).add_subplot()
    kind.draw(axes, _context(panel, study))
    return axes


def test_the_files_of_a_search_are_read(folder: Path) -> None:
    files = read_files(folder)
    trials = trials_of(files)
    assert trials is not None
    assert space_of(trials) == ["model.depth", "lr"]
    assert latencies_of(files)[SLOW] == (8.1, 8.0, 8.3)
    assert trials_of({}) is None
    assert latencies_of({}) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [("trial\n1\n", "no column outcome"), ("trial,outcome\n1,gone\n", "gone is no outcome of a trial")],
)
def test_a_damaged_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "trials.csv").write_text(text)
    with pytest.raises(UserError, match=rf"trials\.csv: cannot be read \({told}\); start the search again"):
        read_files(tmp_path)


def test_the_front_has_trials_in_grey_and_means_at_their_latency(study: Study) -> None:
    axes = drawn(study, pareto, budget=12)
    dots = next(line for line in axes.lines if line.get_marker() == "." and len(line.get_xdata()) == 4)
    assert sorted(dots.get_xdata()) == [5.0, 8.0, 9.0, 9.0]
    look = _context(study.experiment.panels[0], study).looks["found"]
    means = [line for line in axes.lines if line.get_marker() == look.marker and line.get_linestyle() == "-"]
    assert [list(line.get_xdata()) for line in means] == [[5.1, 8.1]]
    expected = study.tested.groupby("arm_id")["test/accuracy"].mean() * 100
    assert list(means[0].get_ydata()) == pytest.approx([expected[FAST], expected[SLOW]])
    told = [text.get_text() for text in axes.texts]
    assert {"1 pruned", "1 over budget", "1 not trained", "budget"} <= set(told)
    assert axes.get_xscale() == "log"


def test_trials_stand_over_what_they_differ_in(study: Study) -> None:
    axes = drawn(study, trials_over, x="model.depth")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1-1-1", "1-2-1", "2-2-2"]
    axes = drawn(study, trials_over, x="lr")
    assert axes.get_xscale() == "log"
    axes = drawn(study, trials_over, x="trial")
    (best,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
    assert list(best.get_ydata()) == [90.0, 95.0, 95.0, 95.0]
    assert {"1 over budget", "1 diverged", "1 refused"} <= {text.get_text() for text in axes.texts}


def test_what_cannot_be_drawn_is_told(study: Study, experiment: Any, collection: Any) -> None:
    with pytest.raises(UserError, match=r"panels\.p\.x=model\.dept: trials do not differ in it, did you mean"):
        drawn(study, trials_over, x="model.dept")
    without = Study(experiment, collection)
    with pytest.raises(UserError, match="the experiment has no trials"):
        drawn(without, trials_over, x="trial")
    with pytest.raises(UserError, match="the runs have no latencies"):
        drawn(without, pareto)


def test_the_tables_count_every_trial_and_give_n_and_intervals(study: Study) -> None:
    rows = {row[0]: row[1] for row in outcomes_grid(study).rows}
    assert rows == {"finished": "4", "pruned": "1", "over budget": "1", "diverged": "1", "refused": "1", "all": "8"}
    grid = members_grid(study)
    assert grid.columns[:2] == ("series", "latency (ms)")
    fast, slow, beside = (dict(zip(grid.columns, row, strict=True)) for row in grid.rows)
    assert fast["latency (ms)"] == "5.1 [5, 5.3]"
    assert (fast["chosen by, validation (%)"], slow["chosen by, validation (%)"]) == ("90.0", "95.0")
    assert beside["chosen by, validation (%)"] == ""
    assert all("[" in row["test accuracy (%)"] and row["n"] == "3" for row in (fast, slow, beside))
    assert slow["model.depth"] == "[1,2,1]"


def test_what_chose_is_in_no_mean_and_counted_all_the_same(study: Study) -> None:
    assert len(study.tested) == 9
    assert {arm.counts.planned for arm in study.arms()} == {3}
    counts = failures_table(study).set_index("series")["planned"].to_dict()
    assert counts == {"found": 6, "BatchNorm": 3, "trials of the search": 4, "all": 13}


def test_the_report_is_made_again_from_its_rows(study: Study, tmp_path: Path) -> None:
    write(render(study, []), tmp_path / "exp")
    assert (tmp_path / "exp" / "trials.csv").read_text() == TRIALS
    page = (tmp_path / "exp" / "report.md").read_text()
    assert "## Trials" in page
    assert "| over budget | 1 | not trained, as its inference takes longer than the budget |" in page
    again = Study(study.experiment, stored(tmp_path / "exp"))
    pd.testing.assert_frame_equal(trials_of(again.collection.files), trials_of(study.collection.files))
    assert differences(render(again, []), tmp_path / "exp") == []
