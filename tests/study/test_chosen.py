"""Runs without an experiment file: what is drawn of them, what can be chosen, and the file that is written."""

import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.report import synthetic

from normfree.config.errors import UserError
from normfree.report.command import ReportKeys
from normfree.report.figures import kind_of
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Study, collect
from normfree.study.chosen import Choice, axes_of, chosen, read_where
from normfree.study.experiment import load_experiment, parse_experiment
from normfree.study.opened import opened
from normfree.study.series_by import unmatched, with_series
from normfree.study.study import places_of
from normfree.study.written import experiment_file, write_experiment

ARMS = [("resnet20", "none"), ("nf_resnet20", "none"), ("nf_resnet20", "agc01"), ("nf_resnet20", "agc04")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three rates and two batches of four networks, two seeds each."""
    folder = tmp_path_factory.mktemp("own")
    made = [
        synthetic.made(model, clip, batch, lr, seed, batch if model == "resnet20" else None, [])
        for model, clip in ARMS
        for batch in (16, 64)
        for lr in (0.1, 0.4, 1.6)
        for seed in (0, 1)
    ]
    synthetic.write(made, folder / "mine")
    return folder


def study_of(runs: Path, **choice: object) -> Study:
    return opened("mine", [runs / "nothing"], runs, choice=Choice(**choice))  # type: ignore[arg-type]


def drawn(study: Study) -> None:
    for panel in study.experiment.panels:
        kind_of(panel).draw(new_figure(4, 3).add_subplot(), _context(panel, study))


def test_runs_of_which_nobody_typed_anything(runs: Path, tmp_path: Path) -> None:
    """Single runs, which no sweep planned: what is recorded tells them apart."""
    shutil.copytree(runs / "mine", tmp_path / "mine")
    (tmp_path / "mine" / "sweep.json").unlink()
    study = study_of(tmp_path)
    assert len(study.table) == 48
    drawn(study)


def test_values_of_which_some_are_lists() -> None:
    column = pd.Series(["[1, 2]", None, "[0, 1]", None])
    assert {key: list(rows) for key, rows in places_of(column).items()} == {"[0, 1]": [2], "[1, 2]": [0], None: [1, 3]}


def test_the_factor_with_most_values_is_the_axis(runs: Path) -> None:
    table = collect("mine", runs).table
    found = axes_of(table, Choice())
    assert found.x == "lr"
    assert {"model.name", "clip.label"} <= set(found.series)
    assert "batch.global" in (*found.series, *found.panel)
    one_batch = table[table["batch.global"] == 64]
    assert axes_of(one_batch, Choice()).panel == ()


def test_a_default_shows_every_arm_once_and_what_became_of_it(runs: Path) -> None:
    study = study_of(runs)
    shown = [arm.arm_id for panel in study.experiment.panels if panel.kind == "accuracy_over"
             for one in study.series for arm in study.along(panel, one).values()]  # fmt: skip
    assert sorted(shown) == sorted(study.table["arm_id"].unique())
    assert {panel.kind for panel in study.experiment.panels} == {"accuracy_over", "trained_share"}
    drawn(study)


def test_words_of_the_command_line_choose(runs: Path) -> None:
    study = study_of(runs, x="batch", series=("model", "clip"), panel=("lr",), where={"clip": "agc"})
    assert [one.label for one in study.series] == ["nf_resnet20, AGC 0.01", "nf_resnet20, AGC 0.04"]
    assert set(study.table["clip.name"]) == {"agc"}, "the counts and sentences of the report are of these runs too"
    assert study.experiment.asked == "x=batch series=model,clip panel=lr where='clip=agc'"
    panels = [panel for panel in study.experiment.panels if panel.kind == "accuracy_over"]
    assert [panel.where["lr"] for panel in panels] == [0.1, 0.4, 1.6]
    found = {value for panel in panels for one in study.series for value in study.along(panel, one)}
    assert found == {16.0, 64.0}
    clips = {
        arm.first("clip.name") for panel in panels for one in study.series for arm in study.along(panel, one).values()
    }
    assert clips == {"agc"}
    drawn(study)


def test_names_along_the_axis_stand_apart(runs: Path) -> None:
    study = study_of(runs, x="clip", where={"lr": 0.4, "batch": 64, "model": "nf_resnet20"})
    (panel,) = [panel for panel in study.experiment.panels if panel.kind == "accuracy_over"]
    arms = [arm for one in study.series for arm in study.along(panel, one)]
    assert arms == ["none", "AGC 0.01", "AGC 0.04"]
    axes = new_figure(4, 3).add_subplot()
    kind_of(panel).draw(axes, _context(panel, study))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["none", "AGC 0.01", "AGC 0.04"]
    joined = [line for line in axes.lines if line.get_linestyle() == "-" and len(set(line.get_xdata())) > 1]  # type: ignore[arg-type]
    assert not joined


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (
            {"x": "btach"},
            r"x=btach: the runs have no factor 'btach', did you mean 'batch'.*they differ in: model, clip,",
        ),
        ({"series": ("widht",)}, r"series=widht: the runs have no factor 'widht'.*they differ in: .*lr"),
        ({"where": {"clip": "agcc"}}, r"no run has clip=agcc; there are: none, AGC 0.01, AGC 0.04, agc"),
        ({"where": {"lr": 7}}, r"no run has lr=7; there are: 0.1, 0.4, 1.6"),
        ({"where": {"model": "resnet20", "clip": "agc"}}, r"no run has model=resnet20 clip=agc together"),
        ({"x": "lr", "series": ("lr",)}, r"lr is asked for twice"),
        ({"measure": "test/accurcy"}, r"measure=test/accurcy: the runs have no such measure"),
    ],
)
def test_what_the_runs_lack_is_one_line(runs: Path, choice: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        study_of(runs, **choice)
    assert "\n" not in str(raised.value)


def test_conditions_as_typed() -> None:
    assert read_where("clip=agc lr=0.1,0.4 batch=64 model.width=null") == {
        "clip": "agc", "lr": [0.1, 0.4], "batch": 64, "model.width": None,
    }  # fmt: skip
    with pytest.raises(ValueError, match="give conditions, such as"):
        read_where("clip")


def test_the_written_file_works(runs: Path, tmp_path: Path) -> None:
    study = study_of(runs, where={"batch": 64})
    path = tmp_path / "saved.yaml"
    said = write_experiment(path, study, Choice(where={"batch": 64}))
    assert "python report.py experiment=saved" in said
    again = opened("saved", [tmp_path], runs)
    assert again.experiment.name == "mine"
    assert again.experiment.series == study.experiment.series
    assert [panel.options for panel in again.experiment.panels] == [panel.options for panel in study.experiment.panels]
    drawn(again)


def test_the_written_file_crosses_what_the_sweep_crossed(runs: Path) -> None:
    """Its grids give the arms and seeds of the runs, and no others."""
    table = collect("mine", runs).table
    nf = table[table["model.name"] == "nf_resnet20"]
    text = experiment_file(chosen("mine", nf, Choice()), "saved", "mine", nf)
    grid = yaml.safe_load(text)["experiment"]["grids"]["sweep"]
    assert grid["lr"] == "0.1,0.4,1.6"
    assert grid["batch"] == "16,64"
    assert grid["seed"] == "0,1"
    assert len(grid["arms"]) == 3
    part = nf.iloc[1:]
    uneven = yaml.safe_load(experiment_file(chosen("mine", part, Choice()), "saved", "mine", part))
    assert sum(len(one["arms"]) for one in uneven["experiment"]["grids"].values()) == nf["arm_id"].nunique()


def test_words_are_typed_as_they_were_read() -> None:
    words = "x=lr where='clip=agc,none lr=0.1,0.4 model.width=null'"
    choice = Choice(x="lr", where=read_where("clip=agc,none lr=0.1,0.4 model.width=null"))
    assert choice.words == words
    assert read_where(shlex.split(words)[1].removeprefix("where=")) == choice.where


def test_a_report_of_some_runs_is_not_written_over_that_of_all(runs: Path) -> None:
    """Its stored rows may be the last that there are of the others."""
    assert ReportKeys(x="batch").suffix(study_of(runs, x="batch")) == ""
    some = {"clip": "agc"}
    assert ReportKeys(where=some).suffix(study_of(runs, where=some)) == "-by-clip"


def test_the_written_file_asks_for_the_place_of_images(runs: Path) -> None:
    table = collect("mine", runs).table
    node = chosen("mine", table, Choice())
    assert "PATH" not in experiment_file(node, "saved", "mine", table)
    text = experiment_file(node, "saved", "mine", table.assign(**{"data.name": "cifar10"}))
    assert "# Command: normfree train -m experiment=saved data.root=PATH && normfree report" in text
    assert yaml.safe_load(text)["experiment"]["command"] == "python train.py -m experiment=saved data.root=PATH"


def test_series_by_factors(runs: Path) -> None:
    table = collect("mine", runs).table
    experiment = with_series(parse_experiment({"series": {"by": ["model", "clip"]}}, "mine"), table)
    assert [one.label for one in experiment.series] == [
        "nf_resnet20, no clipping", "nf_resnet20, AGC 0.01", "nf_resnet20, AGC 0.04", "resnet20, no clipping",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"experiment.series.by: the runs have no factor 'modle', did you mean 'model'"):
        with_series(parse_experiment({"series": {"by": ["modle"]}}, "mine"), table)
    with pytest.raises(UserError, match=r"`by` makes all series; take bn away"):
        parse_experiment({"series": {"by": ["model"], "bn": {"where": {"model": "resnet20"}}}}, "mine")


def test_series_that_differ_in_their_networks_too_are_called_by_them(runs: Path) -> None:
    table = collect("mine", runs).table
    by = parse_experiment({"series": {"by": ["clip"]}}, "mine")
    apart = table[(table["model.name"] == "resnet20") != (table["clip.label"] != "none")]
    assert [one.label for one in with_series(by, apart).series] == [
        "nf_resnet20, AGC 0.01", "nf_resnet20, AGC 0.04", "resnet20, no clipping",
    ]  # fmt: skip
    assert [one.label for one in with_series(by, table).series] == ["no clipping", "AGC 0.01", "AGC 0.04"]
    one_network = table[table["model.name"] == "nf_resnet20"]
    assert [one.label for one in with_series(by, one_network).series] == ["no clipping", "AGC 0.01", "AGC 0.04"]


def test_a_series_of_no_runs_is_told(runs: Path) -> None:
    content = {
        "series": {"bn": {"where": {"model": "resnet21"}}, "nf": {"where": {"model": "nf_resnet20"}}},
        "panels": {"p": {"kind": "accuracy_over", "x": "lr", "where": {"batch": 17}}},
    }
    said = unmatched(parse_experiment(content, "mine"), collect("mine", runs).table)
    assert said == [
        "Series bn selects none of the 48 runs: model=resnet21; there are: nf_resnet20, resnet20.",
        "Panel p selects none of the 48 runs: batch=17; there are: 16, 64.",
    ]


def test_neither_runs_nor_file_is_told_with_the_files_there_are(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "known.yaml").write_text("experiment: {question: Why}\n")
    with pytest.raises(
        UserError, match=r"nowhere: no runs and no file of it.*; there are runs of .* and files of known$"
    ):
        opened("nowhere", [tmp_path], runs, tmp_path)
    with pytest.raises(UserError, match="knwon: no runs and no file of it, did you mean 'known'"):
        opened("knwon", [tmp_path], runs, tmp_path)


def test_what_is_along_the_axis_is_no_series(runs: Path) -> None:
    table = collect("mine", runs).table
    found = axes_of(table[table["clip.name"] == "agc"], Choice(x="clip.clip_factor"))
    assert found.x == "clip.clip_factor"
    assert "clip.label" not in (*found.series, *found.panel)


def test_a_loaded_file_keeps_its_own_panels(runs: Path, tmp_path: Path) -> None:
    panels = "{p: {kind: accuracy_over, x: lr, where: {batch: 64}}}"
    (tmp_path / "mine.yaml").write_text(
        f"experiment: {{question: Why, series: {{by: [model, clip]}}, panels: {panels}}}\n"
    )
    assert [panel.name for panel in opened("mine", [tmp_path], runs).experiment.panels] == ["p"]
    other = opened("mine", [tmp_path], runs, choice=Choice(x="batch"))
    assert "p" not in [panel.name for panel in other.experiment.panels]
    assert other.experiment.question == load_experiment("mine", tmp_path).question


def test_networks_alone_are_series_and_not_the_axis(runs: Path) -> None:
    table = collect("mine", runs).table
    found = axes_of(
        table[(table["clip.name"] == "none") & (table["lr"] == 0.1) & (table["batch.global"] == 64)], Choice()
    )
    assert (found.x, found.series, found.panel) == ("lr", ("model.name",), ())


def own(options: str) -> pd.DataFrame:
    """Runs of two options of the user's own, which are one class with other arguments or two classes."""
    widths = (4, 16)
    return pd.DataFrame(
        {
            "overrides": [f"{option} lr={lr:g} seed=0" for option in options.split(",") for lr in (0.1, 1)],
            "arm_id": [f"{option}{lr}" for option in widths for lr in (0.1, 1)],
            "model.name": ["Net" if "w4" in options else name for name in ("Net", "Wide") for _ in range(2)],
            "model._target_": [f"nets.{name}" for name in ("Net", "Net" if "w4" in options else "Wide") for _ in "ab"],
            "model.arguments.width": [width for width in widths for _ in range(2)],
            "clip.name": "none", "clip.label": "none", "lr": [0.1, 1.0] * 2, "model.parameters": [9, 9, 30, 30],
        }
    )  # fmt: skip


def test_options_with_other_arguments_are_told_apart() -> None:
    found = axes_of(own("model=w4,model=w16"), Choice())
    assert (found.x, found.series, found.panel) == ("lr", ("model.arguments.width",), ())


def test_classes_of_ones_own_are_one_factor() -> None:
    table = own("model._target_=nets.Net,model._target_=nets.Wide")
    for choice in (Choice(), Choice(x="lr", series=("model",))):
        found = axes_of(table, choice)
        assert (found.x, found.series, found.panel) == ("lr", ("model.name",), ())
