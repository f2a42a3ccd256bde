"""The report of cutting a batch, from the command line to the bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.conftest import ROOT, command_line

from normfree.cli.probe import read_probe
from normfree.cli.probes.split import KEYS as CutKeys
from normfree.cli.probes.split import Cut
from normfree.cli.report import main
from normfree.config import UserError
from normfree.report.probes import cut_figure
from normfree.report.probes.cut_figure import BOUND, MARKERS, PALETTE, cut_label, draw_cuts
from normfree.report.probes.cut_page import CutConditions, answer, caption, case_name, cut_files, cut_table

CONDITIONS = CutConditions(batch=48, steps=4, seed=0, image_size=14)
CUTS = ((1, 48, 1), (1, 24, 2), (2, 24, 1))


def table(free: tuple[float, float] = (0.0, 6e-16), normed: tuple[float, float] = (0.51, 0.51)) -> pd.DataFrame:
    cases = {("nf_resnet20", "agc", None): free, ("resnet20", "none", None): normed, ("resnet20", "none", 6): (0.8,)}
    rows = [
        {
            "case": case_name(model, clip, ghost, model == "resnet20"), "model": model, "clip": clip,
            "ghost_batch": ghost, "devices": cut[0], "micro_batch": cut[1], "accumulation": cut[2],
            "norm_batch": (ghost or cut[1]) if model == "resnet20" else None, "moved": 0.123456,
            "update_difference": value, "weight_difference": value / 8, "parameter_difference": value,
            "loss_difference": value / 50,
            "one_device_difference": 1e-15 if cut[0] > 1 else None,
        }
        for (model, clip, ghost), values in cases.items()
        for cut, value in zip(CUTS, (0.0, *values), strict=False)
    ]  # fmt: skip
    return cut_table(rows)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    drawn: list[Figure] = []
    encode = cut_figure.encode
    monkeypatch.setattr(cut_figure, "encode", lambda figure: (drawn.append(figure), encode(figure))[1])
    return drawn


def test_a_mark_is_a_cut_and_zero_has_a_place_of_its_own(figures: list[Figure]) -> None:
    draw_cuts(table())
    (axes,) = figures[0].axes
    marks = {line.get_label(): line for line in axes.lines if line.get_marker() in MARKERS}
    assert list(marks) == ["nf_resnet20, AGC", "resnet20, BatchNorm", "resnet20, BatchNorm, ghost batches of 6"]
    assert len({line.get_color() for line in marks.values()} & set(PALETTE)) == 3
    assert len({line.get_marker() for line in marks.values()}) == 3
    zero, rounding = marks["nf_resnet20, AGC"].get_ydata()
    assert rounding == 6e-16
    named = dict(zip(axes.get_yticks(), [text.get_text() for text in axes.get_yticklabels()], strict=True))
    assert named[zero] == "0 (equal)"
    assert axes.get_ylim()[0] < zero < cut_figure.LOWEST
    assert list(marks["resnet20, BatchNorm"].get_ydata()) == [0.51, 0.51]
    assert [round(x) for x in marks["resnet20, BatchNorm"].get_xdata()] == [0, 1]
    assert len(marks["resnet20, BatchNorm, ghost batches of 6"].get_xdata()) == 1
    assert [text.get_text() for text in axes.get_xticklabels()] == [cut_label(1, 24, 2), cut_label(2, 24, 1)]
    assert BOUND in [line.get_ydata()[0] for line in axes.lines if line not in marks.values()]


def test_without_equality_there_is_no_place_for_zero(figures: list[Figure]) -> None:
    draw_cuts(table(free=(5e-16, 6e-16)))
    (axes,) = figures[0].axes
    assert "0 (equal)" not in [text.get_text() for text in axes.get_yticklabels()]
    assert axes.get_ylim()[0] == cut_figure.LOWEST
    assert "equal to the last bit" not in caption(table(free=(5e-16, 6e-16)), CONDITIONS)


def test_the_answer_follows_the_numbers() -> None:
    said = answer(table())
    assert "- Without BatchNorm: no. All cuts end with the same weights, to 6e-16 of the way trained." in said
    assert "- With BatchNorm: yes. The weights end 0.51 to 0.51 of the way trained apart" in said
    assert "training loss differs by up to 1.0%" in said
    assert "in ghost batches of 6, statistics over 6 images in every cut: yes." in said
    assert "Devices by themselves change nothing" in said
    broken = table(free=(1e-3, 2e-3), normed=(1e-15, 0.2))
    assert "- Without BatchNorm: yes. The weights end 0.001 to 0.002 of the way trained apart" in answer(broken)
    assert "- With BatchNorm: some cuts change the weights, by up to 0.2" in answer(broken)
    broken["one_device_difference"] = 0.1
    assert "Several devices do not end where one device ends" in answer(broken)


def test_the_caption_tells_the_conditions() -> None:
    said = caption(table(), CONDITIONS)
    for part in ("a batch of 48 images", "after 4 steps", "14 x 14 px, seed 0, float64", "through gloo",
                 "equal to the last bit", "consecutive images", "without clipping"):  # fmt: skip
        assert part in said
    free = table()
    assert "Ghost" not in caption(free[free["model"] == "nf_resnet20"], CONDITIONS)


def test_same_rows_same_bytes_and_the_table_draws_the_figure_again(tmp_path: Path) -> None:
    arguments = (table(), CONDITIONS, "cut", "normfree report probe=split", "this machine")
    files = cut_files(*arguments)
    assert files == cut_files(*arguments)
    assert set(files) == {"cut.csv", "cut.md", "cut.png", "cut.pdf", "cut.svg"}
    (tmp_path / "cut.csv").write_bytes(files["cut.csv"])
    assert draw_cuts(pd.read_csv(tmp_path / "cut.csv"))["svg"] == files["cut.svg"]
    page = files["cut.md"].decode()
    assert "Measured with this machine." in page
    assert "| nf_resnet20, AGC | 0 | 6e-16 |" in page
    assert "| resnet20, BatchNorm, ghost batches of 6 | 0.8 | - |" in page
    assert "it is not measured here" in page
    free = table()[lambda rows: rows["model"] == "nf_resnet20"]
    page = cut_files(free, *arguments[1:])["cut.md"].decode()
    assert "BatchNorm is" not in page
    assert "even with BatchNorm" not in page
    assert "model.sync_norm" not in page


def test_keys_are_read_and_cut_the_batch() -> None:
    _, keys = read_probe(["probe=split"])
    assert isinstance(keys, CutKeys)
    assert keys.model == ("nf_resnet20", "nfnet_nano", "resnet20")
    assert keys.cuts == [Cut(1, 48, 1), Cut(1, 24, 2), Cut(2, 24, 1), Cut(1, 12, 4), Cut(2, 12, 2), Cut(2, 6, 4)]
    assert keys.ghost_batches == (1, 6)
    _, keys = read_probe(["probe=split", "model=resnet20", "batch=60", "devices=2", "accumulation=3,2"])
    assert isinstance(keys, CutKeys)
    assert keys.cuts == [Cut(1, 60, 1), Cut(2, 15, 2), Cut(2, 10, 3)]
    assert keys.ghost_batches == (1, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model="], "model=: give names of networks"),
        (["batch=50"], "batch=50: does not divide into devices=1 x accumulation=4 = 4; use batch=48 or batch=52"),
        (["batch=2"], "batch=2: does not divide into devices=1 x accumulation=4 = 4; use batch=4"),
        (["ghost_batch=5"], "ghost_batch=5: does not divide the micro batch of 48 images (devices=1 x accumulation=1)"),
        (["ghost_batch=4"], "ghost_batch=4: does not divide the micro batch of 6 images (devices=2 x accumulation=4); "
         "use a divisor of 6"),
        (["devices=1,x"], "devices=1,x: give a whole number from 1 to 64, or several with commas between them"),
        (["devices=1,1"], "devices=1,1: give each number once"),
        (["image_size=15"], "image_size=15: give one of 7, 10, 14, 20, 28"),
        (["steps=0"], "steps=0: give a whole number from 1 to 1000"),
        (["bach=3"], "bach=3: no such key of probe=split, did you mean 'batch'"),
    ],
)  # fmt: skip
def test_mistakes_name_key_value_and_remedy(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        main(["probe=split", *arguments])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_of_this_probe_alone_names_it() -> None:
    with pytest.raises(UserError, match="ghost_batch=6: is a key of a probe; add probe=split"):
        main(["ghost_batch=6"])


@pytest.mark.cli
def test_the_command_trains_on_two_processes_and_writes(tmp_path: Path) -> None:
    keys = ("model=nf_resnet20,resnet20", "batch=8", "accumulation=1", "ghost_batch=1", "steps=2", "image_size=7")
    done = command_line("report.py", "probe=split", *keys, f"reports_dir={tmp_path}", PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    folder = tmp_path / "probes" / "split"
    name = "nf_resnet20-resnet20-batch8-accumulation1-ghost_batch1-steps2-image_size7"
    assert done.stdout.splitlines()[-1] == str(folder / f"{name}.md")
    assert {path.name for path in folder.iterdir()} == {f"{name}.{kind}" for kind in ("csv", "md", "pdf", "png", "svg")}
    page = (folder / f"{name}.md").read_text(encoding="utf-8")
    assert "normfree report probe=split model=nf_resnet20,resnet20 batch=8 accumulation=1 ghost_batch=1 steps=2" in page
    rows = pd.read_csv(folder / f"{name}.csv")
    cut = rows[rows["devices"] == 2].set_index("case")["update_difference"]
    assert cut["nf_resnet20, AGC"] < BOUND
    assert cut["resnet20, BatchNorm"] > 1e-3
    assert cut["resnet20, BatchNorm, ghost batches of 1"] < BOUND


@pytest.mark.cli
def test_what_cannot_be_measured_is_one_line_before_anything_is(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    mistakes = {
        ("model=resnt20",): "error: model=resnt20: unknown model 'resnt20'; did you mean ",
        (f"devices={cores + 1}", f"batch={4 * (cores + 1)}"): f"error: trainer.devices={cores + 1}: there ",
    }
    for arguments, message in mistakes.items():
        done = command_line("report.py", "probe=split", *arguments, f"reports_dir={tmp_path}")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(message)
        assert done.stderr.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_help_names_the_probe_and_its_keys() -> None:
    shown = command_line("report.py", "--help").stdout
    for part in (
        "python report.py probe=split model=nf_resnet20,nfnet_nano,resnet20",
        "accumulation  1,2,4 ",
        "ghost_batch ",
    ):
        assert part in shown


@pytest.mark.parametrize(
    "file", sorted((ROOT / "reports" / "probes" / "split").glob("*.csv")), ids=lambda file: file.stem
)
def test_a_stored_report_holds_what_the_project_promises(file: Path) -> None:
    """Measured with processes and from a commit without changes: exact without BatchNorm, and not with it."""
    rows = pd.read_csv(file)
    page = file.with_suffix(".md").read_text(encoding="utf-8")
    assert f"model={','.join(dict.fromkeys(rows['model']))}" in page
    assert "uncommitted changes" not in page
    cut = rows[(rows["devices"] > 1) | (rows["accumulation"] > 1)]
    assert cut["devices"].max() > 1
    free = cut["norm_batch"].isna()
    assert cut[free]["model"].nunique() >= 2
    assert cut[free][["update_difference", "parameter_difference", "loss_difference"]].lt(BOUND).all(axis=None)
    assert cut[~free & cut["ghost_batch"].isna()]["update_difference"].gt(1e-3).all()
    for kind in ("png", "pdf", "svg"):
        assert file.with_suffix(f".{kind}").is_file()


def test_the_figure_of_the_readme_is_stored() -> None:
    assert (ROOT / "reports" / "probes" / "split" / "nf_resnet20-nfnet_nano-resnet20.csv").is_file()
