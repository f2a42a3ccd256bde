"""A measure over two factors: what each tile says, and what has none."""

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from tests.report import synthetic

from normfree.config import UserError
from normfree.report.figures import heat_map
from normfree.report.layout import _context
from normfree.report.style import new_figure
from normfree.study import Panel, Study, collect
from normfree.study.experiment import parse_experiment


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """AGC at two batches and three rates, of which the smaller batch has no highest, and no clipping at one pair."""
    folder = tmp_path_factory.mktemp("tiles")
    pairs = [(16, 0.1), (16, 0.4), (64, 0.1), (64, 0.4), (64, 1.6)]
    runs = [
        synthetic.made("nf_resnet20", "agc04", batch, lr, seed, None, ["g"]) for batch, lr in pairs for seed in range(3)
    ]
    runs += [synthetic.made("nf_resnet20", "none", 64, 1.6, seed, None, ["g"]) for seed in range(3)]
    synthetic.write(runs, folder / "exp")
    return Study(parse_experiment({}, "exp"), collect("exp", folder))


def drawn(study: Study, clip: str | None = "AGC 0.04", **options: str) -> Axes:
    where = {"clip.label": clip} if clip else {}
    panel = Panel("p", "heat_map", "Title", where, (), {"x": "lr", "y": "batch.global", **options})
    axes = new_figure(4, 3).add_subplot()
    heat_map.draw(axes, _context(panel, Study(replace(study.experiment, panels=(panel,)), study.collection)))
    return axes


def texts(axes: Axes) -> dict[tuple[float, float], str]:
    return {text.get_position(): text.get_text() for text in axes.texts}


def test_a_tile_is_the_mean_of_an_arm(study: Study) -> None:
    table = study.collection.table
    axes = drawn(study)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.1", "0.4", "1.6"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["16", "64"]
    found = texts(axes)
    assert len(found) == len(axes.patches) == 5
    for (column, row), lr, batch in (((0, 0), 0.1, 16), ((1, 1), 0.4, 64), ((2, 1), 1.6, 64)):
        runs = table[(table["lr"] == lr) & (table["batch.global"] == batch) & (table["clip.label"] == "AGC 0.04")]
        assert set(runs["status"]) == {"finished"}
        assert found[column, row] == f"{100 * runs['test/accuracy'].mean():.1f}"
    assert (2, 0) not in found


def test_an_arm_with_failures_has_no_colour(study: Study) -> None:
    axes = drawn(study, "none")
    (tile,) = axes.patches
    assert tile.get_hatch()
    assert texts(axes) == {(0, 0): "✕3/3"}
    assert len(axes.figure.axes) == 1


def test_another_measure(study: Study) -> None:
    axes = drawn(study, measure="time.seconds")
    assert axes.figure.axes[1].get_ylabel() == "time of a run (s)"


@pytest.mark.parametrize(
    ("clip", "options", "line"),
    [
        ("AGC 0.04", {"y": "lr"}, "experiment.panels.p.y=lr: is x too; name another factor"),
        ("AGC 0.04", {"y": "batch.globl"}, "experiment.panels.p.y: the runs have no factor 'batch.globl'"),
        (None, {}, "lr=1.6, batch.global=64 mixes 2 arms that differ in clip.label"),
    ],
)
def test_what_cannot_be_drawn(study: Study, clip: str | None, options: dict[str, str], line: str) -> None:
    with pytest.raises(UserError, match=line.replace(".", r"\.")):
        drawn(study, clip, **options)


def test_more_tiles_than_can_be_told_apart(tmp_path: Path) -> None:
    runs = [
        synthetic.made("nf_resnet20", "agc04", batch, 0.1 * 1.1**rate, 0, None, ["g"])
        for batch in range(1, 16)
        for rate in range(14)
    ]
    synthetic.write(runs, tmp_path / "exp")
    study = Study(parse_experiment({}, "exp"), collect("exp", tmp_path))
    with pytest.raises(UserError, match=r"14 values of lr and 15 of batch\.global are more than 200 tiles"):
        drawn(study)


def test_an_axis_of_names_is_told(study: Study) -> None:
    panel = Panel("names", "heat_map", "T", {}, (), {"x": "clip", "y": "lr"})
    with pytest.raises(UserError, match=r"panels.names: no run has a number for both clip.label and lr"):
        heat_map.draw(new_figure(4, 3).add_subplot(), _context(panel, study))


def test_a_colour_means_the_same_in_every_map_of_an_experiment(study: Study) -> None:
    axes = {"x": "lr", "y": "batch.global"}
    panels = tuple(
        Panel(name, "heat_map", "Title", {"clip.label": "AGC 0.04", "lr": rates}, (), axes)
        for name, rates in (("all", [0.1, 0.4, 1.6]), ("some", [0.4]))
    )
    both = Study(replace(study.experiment, panels=panels), study.collection)
    colours = []
    for panel in panels:
        drawing = new_figure(4, 3).add_subplot()
        heat_map.draw(drawing, _context(panel, both))
        place = next(
            place for place, text in texts(drawing).items() if place[1] == 1 and place[0] == (panel.name == "all")
        )
        colours.append(drawing.patches[list(texts(drawing)).index(place)].get_facecolor())
    assert colours[0] == colours[1]
