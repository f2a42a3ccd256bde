"""The heat map of clipping among the panels of a report."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import QuadMesh

from normfree.report.figures import kind_of
from normfree.report.layout import _context, draw_all
from normfree.report.style import new_figure
from normfree.runs.clip_record import ALL, COLUMNS
from normfree.study import Collection, Experiment, Study, collect, load_experiment

FIXTURES = Path(__file__).parent / "fixtures"
LAYERS = (("stem_conv", "stem", 4), ("blocks.0.conv0", "0", 8), ("classifier", "head", 10))


def clip_csv(clipped: dict[int, tuple[int, int, int]]) -> str:
    lines = [",".join(COLUMNS)]
    for step, counts in clipped.items():
        lines.append(f"{step},-1,,{ALL},22,{sum(counts)},1,2,3,4,5")
        for depth, ((name, stage, units), count) in enumerate(zip(LAYERS, counts, strict=True)):
            lines.append(f"{step},{depth},{stage},{name},{units},{count},1,2,3,4,5")
    return "\n".join(lines) + "\n"


@pytest.fixture
def studied(tmp_path: Path) -> tuple[Experiment, Collection]:
    shutil.copytree(FIXTURES, tmp_path, dirs_exist_ok=True)
    experiment = tmp_path / "experiments" / "demo.yaml"
    panel = "    clipped: {kind: clipped_layers, title: What is clipped, where: {lr: 3.2}, series: [nf_agc]}\n"
    text = experiment.read_text(encoding="utf-8").replace("  claims:\n", panel + "  claims:\n", 1)
    experiment.write_text(text, encoding="utf-8")
    runs = tmp_path / "sweeps" / "demo"
    records = {
        0: clip_csv({10: (4, 0, 0), 20: (2, 4, 0)}),
        1: clip_csv({10: (0, 0, 10), 20: (2, 0, 10)}),
        2: clip_csv({10: (0, 0, 10), 15: (2, 0, 10), 20: (2, 0, 10)}),
    }
    for seed, record in records.items():
        (runs / f"nf_resnet20-agc01-b64-lr3.2-s{seed}" / "clip.csv").write_text(record, encoding="utf-8")
    loaded = load_experiment("demo", tmp_path / "experiments")
    return loaded, collect("demo", tmp_path / "sweeps")


def drawn(studied: tuple[Experiment, Collection]) -> list[QuadMesh]:
    experiment, collection = studied
    panel = next(panel for panel in experiment.panels if panel.name == "clipped")
    axes = new_figure(3, 3).add_subplot()
    kind_of(panel).draw(axes, _context(panel, Study(experiment, collection)))
    return [one for one in axes.collections if isinstance(one, QuadMesh)]


def test_the_mean_of_the_runs_that_agree(studied: tuple[Experiment, Collection]) -> None:
    (mesh,) = drawn(studied)
    assert np.asarray(mesh.get_array()).reshape(3, 2).tolist() == [[0.5, 0.5], [0.0, 0.25], [0.5, 0.5]]


def test_a_run_that_ended_early_counts_up_to_its_end(studied: tuple[Experiment, Collection]) -> None:
    """Left out, the mean would be that of the runs that survived."""
    (early,) = studied[1].directory.glob("nf_resnet20-agc01-b64-lr3.2-s1/clip.csv")
    early.write_text(clip_csv({10: (0, 0, 10)}), encoding="utf-8")
    (mesh,) = drawn(studied)
    assert np.asarray(mesh.get_array()).reshape(3, 2).tolist() == [[0.5, 0.5], [0.0, 0.5], [0.5, 0.0]]


def test_it_is_a_figure_of_the_report(studied: tuple[Experiment, Collection]) -> None:
    drawing = next(one for one in draw_all(Study(*studied)) if one.name == "clipped")
    assert drawing.files["png"].startswith(b"\x89PNG")
    assert "Share of units clipped" in drawing.caption


def test_runs_without_a_record_are_told(studied: tuple[Experiment, Collection]) -> None:
    for path in studied[1].directory.rglob("clip.csv"):
        path.unlink()
    assert drawn(studied) == []
