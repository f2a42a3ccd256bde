"""The signal probe's report, from the command line to the bytes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.conftest import ROOT, command_line

from normfree.cli.probe import read_probe
from normfree.cli.probe_keys import ALL, with_normalizers
from normfree.cli.probes import probes
from normfree.cli.probes.signal import KEYS as SignalKeys
from normfree.cli.report import main, read_report
from normfree.config import UserError
from normfree.config.normalizers import NORMALIZERS
from normfree.report.command import ReportKeys
from normfree.report.probes import signal_figure
from normfree.report.probes.signal_figure import draw_signal, shared_stages
from normfree.report.probes.signal_page import SignalConditions, caption, signal_files, signal_table

COLUMNS = ("block", "stage", "index", "name", "avg_sq_mean", "avg_var", "res_avg_var", "expected_var")
STEM = (0, None, None, "stem", 2.0, 0.3, None)
NORMED = [(*STEM, None), (1, 0, 0, "blocks.0", 0.2, 0.57, 0.27, None), (2, 1, 0, "blocks.1", 0.3, 0.84, 0.26, None)]
FREE = [(*STEM, 1.0), (1, 0, 0, "blocks.0", 0.002, 1.05, 1.01, 1.04), (2, 1, 0, "blocks.1", 0.003, 1.06, 0.98, 1.04)]


def table(**networks: list[tuple[object, ...]]) -> pd.DataFrame:
    rows = [
        {"model": name} | dict(zip(COLUMNS, row, strict=True)) for name, network in networks.items() for row in network
    ]
    return signal_table(rows)


def conditions(*names: str, **changed: float) -> SignalConditions:
    values = {"batch": 8, "seed": 0, "skip_gain": 1.0} | changed
    return SignalConditions(sizes=dict.fromkeys(names, 32), **values)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    drawn: list[Figure] = []
    encode = signal_figure.encode
    monkeypatch.setattr(signal_figure, "encode", lambda figure: (drawn.append(figure), encode(figure))[1])
    return drawn


def curves(figure: Figure, panel: int) -> dict[str, list[tuple[float, float]]]:
    """Points by line style and colour, of lines that hold any."""
    lines = [line for line in figure.axes[panel].lines if len(line.get_xdata()) > 0 and line.get_zorder() in (2, 3)]
    return {
        f"{line.get_color()}{'' if line.get_zorder() == 3 else ' expected'}": list(
            zip(line.get_xdata(), line.get_ydata(), strict=True)
        )
        for line in lines
    }


def test_three_panels_show_what_was_measured_and_what_is_expected(figures: list[Figure]) -> None:
    draw_signal(table(normed=NORMED, free=FREE))
    (figure,) = figures
    black, red = signal_figure.PALETTE[:2]
    assert curves(figure, 0) == {black: [(0, 2.0), (1, 0.2), (2, 0.3)], red: [(0, 2.0), (1, 0.002), (2, 0.003)]}
    assert curves(figure, 1) == {
        black: [(0, 0.3), (1, 0.57), (2, 0.84)],
        red: [(0, 0.3), (1, 1.05), (2, 1.06)],
        f"{red} expected": [(0, 1.0), (1, 1.04), (2, 1.04)],
    }
    assert curves(figure, 2) == {
        black: [(1, 0.27), (2, 0.26)],
        red: [(1, 1.01), (2, 0.98)],
        f"{red} expected": [(1, 1.0), (2, 1.0)],
    }
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear", "linear"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["normed", "free", "variance it is built for"]


def test_stages_are_lines_where_shared_and_open_marks_elsewhere(figures: list[Figure]) -> None:
    shared, apart = table(normed=NORMED, free=FREE), table(normed=NORMED[:2], free=FREE)
    assert shared_stages(shared) == [1, 2]
    assert shared_stages(apart) is None
    draw_signal(shared)
    draw_signal(apart)
    lines = [[x for line in one.axes[0].lines for x in line.get_xdata() if x % 1] for one in figures]
    assert lines == [[0.5, 0.5, 1.5, 1.5], []]
    opened = [[len(line.get_xdata()) for line in one.axes[0].lines if line.get_zorder() == 4] for one in figures]
    assert opened == [[0, 0], [1, 2]]
    assert "Dotted lines" in caption(shared, conditions("normed", "free"))
    assert "Open marks" in caption(apart, conditions("normed", "free"))


def test_a_network_whose_branches_cannot_be_seen() -> None:
    peer = [(*row[:6], None, None) for row in NORMED]
    files = draw_signal(table(peer=peer))
    assert set(files) == {"png", "pdf", "svg"}
    assert "The branches of peer cannot be seen." in caption(table(peer=peer), conditions("peer"))


def test_the_caption_tells_the_conditions() -> None:
    measured = table(normed=NORMED, free=FREE)
    said = caption(measured, conditions("normed", "free", of_the_batch=("BatchNorm",)))
    assert "8 images of unit Gaussian noise, 32 x 32 px, seed 0" in said
    assert "Skip gains are set to 1; training begins with 0" in said
    assert "BatchNorm takes its statistics" in said
    assert "average 2 x 2 pixels" not in said
    assert "all branches are closed" in caption(measured, conditions("normed", "free", skip_gain=0.0))
    assert "BatchNorm" not in caption(table(free=FREE), conditions("free"))
    assert "kip gain" not in caption(table(normed=NORMED), conditions("normed")).split("alpha.")[1]
    pooled = [FREE[0], (*FREE[1][:5], 0.3, 1.0, 1.04)]
    assert "average 2 x 2 pixels" in caption(table(free=pooled), conditions("free"))


def test_same_rows_same_bytes_and_the_table_draws_the_figure_again(tmp_path: Path) -> None:
    measured = table(normed=NORMED, free=FREE)
    arguments = (measured, conditions("normed", "free"), "both", "python report.py", "this machine")
    files = signal_files(*arguments)
    assert files == signal_files(*arguments)
    assert set(files) == {"both.csv", "both.md", "both.png", "both.pdf", "both.svg"}
    (tmp_path / "both.csv").write_bytes(files["both.csv"])
    again = pd.read_csv(tmp_path / "both.csv")
    assert draw_signal(again)["svg"] == files["both.svg"]
    assert "Measured with this machine." in files["both.md"].decode()
    assert "| free | 0.002 to 0.003 | 1.05 to 1.06 | 1.04 to 1.04 | 0.98 to 1.01 |" in files["both.md"].decode()
    assert "| normed | 0.2 to 0.3 | 0.57 to 0.84 | - | 0.26 to 0.27 |" in files["both.md"].decode()


def test_networks_that_differ_by_normaliser_have_a_row_of_panels_a_kind(figures: list[Figure]) -> None:
    measured = pd.concat(
        [table(resnet50=NORMED).assign(sees="batch"), table(resnet50_dyt=NORMED, nf_resnet50=FREE).assign(sees="none"),
         table(resnet50_fixup=[(*row[:6], None if row[0] == 0 else 0.0, None) for row in NORMED]).assign(sees="none")]
    )  # fmt: skip
    draw_signal(measured)
    (figure,) = figures
    batch, none = figure.subfigs
    names = [[text.get_text() for text in part.legends[0].get_texts()] for part in (batch, none)]
    assert names == [["resnet50"], ["resnet50_dyt", "nf_resnet50", "resnet50_fixup", "variance it is built for"]]
    assert [part.get_supylabel() for part in (batch, none)] == ["statistics of the batch", "no statistics"]
    assert [axes.get_ylim() for axes in batch.axes] == [axes.get_ylim() for axes in none.axes]
    said = caption(measured, conditions("resnet50", "resnet50_dyt", "nf_resnet50", "resnet50_fixup"))
    assert "The branches of resnet50_fixup begin at 0." in said
    assert "A row of panels is what" in said


def test_networks_take_normalisers_or_are_there_once() -> None:
    chosen = with_normalizers(("resnet50", "nf_resnet50"), ("batchnorm", "dyt"))
    assert [each.label for each in chosen] == ["resnet50", "resnet50_dyt", "nf_resnet50"]
    assert [each.normalizer for each in chosen] == [None, "dyt", None]
    assert len(with_normalizers(("resnet20",), (ALL,))) == len(NORMALIZERS)
    assert [each.label for each in with_normalizers(("nf_resnet20",), ())] == ["nf_resnet20"]


@pytest.mark.cli
def test_the_command_takes_normalisers(tmp_path: Path) -> None:
    words = ("model=resnet20,nf_resnet20", "model.normalizer=batchnorm,dyt", "batch=2", "image_size=8")
    done = command_line("report.py", "probe=signal", *words, f"reports_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    (page,) = (tmp_path / "probes" / "signal").glob("*.md")
    assert page.stem == "resnet20-nf_resnet20-normalizerbatchnorm_dyt-batch2-image_size8"
    assert f"normfree report probe=signal {' '.join(words)}\n" in page.read_text(encoding="utf-8")
    assert list(dict.fromkeys(pd.read_csv(page.with_suffix(".csv"))["model"])) == [
        "resnet20",
        "resnet20_dyt",
        "nf_resnet20",
    ]


def test_keys_are_read_with_their_types() -> None:
    name, keys = read_probe(["probe=signal", "model=resnet20,nf_resnet20", "batch=8", "image_size=32", "skip_gain=0"])
    assert name == "signal"
    assert keys == SignalKeys(model=("resnet20", "nf_resnet20"), batch=8, image_size=32, skip_gain=0.0)
    assert read_report(["experiment=quickstart"]) == ReportKeys()
    own = {each.name for probe in probes().values() for each in fields(probe.KEYS)}
    assert own & {each.name for each in fields(ReportKeys)} == {"reports_dir"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["probe=signal"], "model: is missing; probe=signal needs networks, such as model=resnet50,nf_resnet50"),
        (
            ["probe=signal", "model=resnet20", "model.normalizer=grupnorm"],
            "model.normalizer=grupnorm: no normaliser grupnorm, did you mean 'groupnorm'?; there are ",
        ),
        (["probe=signal", "model=resnet20", "model.normalizer=dyt,dyt"], "model.normalizer=dyt,dyt: give each "),
        (
            ["probe=signal", "model=nf_resnet20", "model.normalizer=dyt"],
            "normalizer=dyt: nf_resnet20 takes none; give ",
        ),
        (["probe=signal", "model=resnet20", "model.normalizer=all,dyt"], "model.normalizer=all,dyt: all are every "),
        (["probe=sgnal", "model=resnet20"], "probe=sgnal: no such probe, did you mean 'signal'?; there are: signal"),
        (["probe=signal", "model="], "model=: give names of networks"),
        (["probe=signal", "model=resnet20,resnet20"], "give each network once"),
        (["probe=signal", "model=a,b,c,d,e"], "model=a,b,c,d,e: give up to 4 networks"),
        (["probe=signal", "model=resnet20", "bach=3"], "bach=3: no such key of probe=signal, did you mean 'batch'"),
        (["probe=signal", "model=resnet20", "batch=1"], "batch=1: give a whole number from 2 to 1024"),
        (["probe=signal", "model=resnet20", "batch=8.5"], "batch=8.5: give a whole number"),
        (["probe=signal", "model=resnet20", "image_size=0"], "image_size=0: give a whole number from 8 to 1024"),
        (["probe=signal", "model=resnet20", "skip_gain=nan"], "skip_gain=nan: give a number"),
        (["probe=signal", "model=resnet20", "model=resnet56"], "model is given twice"),
        (["probe=signal", "-m", "model=resnet20"], "-m: a probe takes key=value alone"),
        (["probe=signal", "experiment=quickstart", "model=resnet20"], "experiment=quickstart: no such key of probe"),
        (["model=resnet20"], "model=resnet20: is a key of a probe; add probe=signal"),
    ],
)
def test_mistakes_name_key_value_and_remedy(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        main(arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("module", ["normfree.report.probes.signal_page", "normfree.cli.probe", "normfree.cli.report"])
def test_drawing_and_joining_import_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.cli
def test_the_command_measures_and_writes(tmp_path: Path) -> None:
    arguments = ("probe=signal", "model=resnet20,nf_resnet20", "batch=4", "image_size=16", f"reports_dir={tmp_path}")
    done = command_line("report.py", *arguments, fresh=True, PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    name = "resnet20-nf_resnet20-batch4-image_size16"
    folder = tmp_path / "probes" / "signal"
    assert done.stdout.splitlines()[-1] == str(folder / f"{name}.md")
    assert {path.name for path in folder.iterdir()} == {f"{name}.{kind}" for kind in ("csv", "md", "pdf", "png", "svg")}
    rows = pd.read_csv(folder / f"{name}.csv")
    assert list(rows.columns) == ["model", *COLUMNS]
    assert rows.groupby("model").size().to_dict() == {"resnet20": 10, "nf_resnet20": 10}
    assert rows[rows["block"] > 0][["avg_sq_mean", "avg_var", "res_avg_var"]].gt(0).all(axis=None)
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    page = written[f"{name}.md"].decode()
    command = "normfree report probe=signal model=resnet20,nf_resnet20 batch=4 image_size=16"
    assert command in page
    assert re.search(r"Measured with normfree [\d.]+ \((commit [0-9a-f]{12}.*|no commit)\), torch [\d.]+", page)
    again = command_line("report.py", *command.split()[2:], f"reports_dir={tmp_path}")
    assert again.returncode == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == written


@pytest.mark.cli
def test_an_unknown_network_is_one_line_before_anything_is_measured(tmp_path: Path) -> None:
    done = command_line("report.py", "probe=signal", "model=resnet20,resnt50", f"reports_dir={tmp_path}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: model=resnt50: unknown model 'resnt50'; did you mean ")
    assert "resnet50" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.cli
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = f"reports_dir={tmp_path / 'file'}"
    done = command_line("report.py", "probe=signal", "model=nf_resnet20", "batch=2", "image_size=8", place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"error: {place}: cannot make" in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_names_the_probe_and_its_keys() -> None:
    done = command_line("report.py", "--help")
    assert done.returncode == 0
    for part in (
        "python report.py probe=signal model=resnet50,nf_resnet50",
        "skip_gain         1 ",
        "model.normalizer  ",
        "experiment  ",
    ):
        assert part in done.stdout


def test_the_stored_report_is_whole() -> None:
    """Every figure of reports/probes/signal has its table and a page that names the command."""
    folder = ROOT / "reports" / "probes" / "signal"
    pages = sorted(folder.glob("*.md"))
    assert pages
    for page in pages:
        rows = pd.read_csv(page.with_suffix(".csv"))
        command = page.read_text(encoding="utf-8").partition(" model=")[2].split()
        looked = with_normalizers(command[0].split(","), [ALL] if "model.normalizer=all" in command else [])
        assert [each.label for each in looked] == list(dict.fromkeys(rows["model"]))
        assert page.with_suffix(".svg").is_file()
        assert page.with_suffix(".png").is_file()


@pytest.mark.cli
def test_a_normaliser_of_ones_own_is_measured(tmp_path: Path) -> None:
    own = "model.normalizer=batchnorm,tests.train.own_normalizers.ImageRMS"
    words = ("probe=signal", "model=resnet20", own, "batch=4", "image_size=16")
    done = command_line("report.py", *words, f"reports_dir={tmp_path}", fresh=True, PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    (table,) = (tmp_path / "probes" / "signal").glob("*.csv")
    rows = pd.read_csv(table)
    assert rows.groupby("model")["sees"].unique().map(list).to_dict() == {
        "resnet20": ["batch"], "resnet20_ImageRMS": ["sample"],
    }  # fmt: skip
    lost = command_line("report.py", *words[:2], "model.normalizer=tests.train.own_normalizers.Lost")
    assert lost.returncode == 2
    assert lost.stderr.startswith("error: model.normalizer=tests.train.own_normalizers.Lost: tests.train.own_normalize")
