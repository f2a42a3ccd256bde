"""Series and tables that are more, or longer, than usual can still be told apart and read."""

from io import StringIO
from pathlib import Path

from rich.console import Console
from tests.report import synthetic

from normfree.report.style import PALETTE, looks
from normfree.report.terminal import show
from normfree.study import Series, Study, collect
from normfree.study.experiment import parse_experiment


def test_no_two_series_look_alike() -> None:
    many = tuple(Series(f"s{i}", f"S{i}", {"lr": i}) for i in range(5 * len(PALETTE)))
    assert len({(look.colour, look.marker) for look in looks(many).values()}) == len(many)


def test_the_table_of_a_terminal_cuts_no_number(tmp_path: Path) -> None:
    runs = [synthetic.made("nf_resnet20", "none", 64, lr, seed, None, ["g"]) for lr in (0.4, 12.8) for seed in range(9)]
    synthetic.write(runs, tmp_path / "exp")
    label = "a normaliser-free network without any clipping"
    content = {
        "series": {"nf": {"label": label, "where": {"model.name": "nf_resnet20"}}},
        "panels": {"p": {"kind": "accuracy_over", "x": "lr"}},
    }
    said = StringIO()
    show(Console(file=said, width=100), Study(parse_experiment(content, "exp"), collect("exp", tmp_path)), [])
    table = said.getvalue().partition("accuracy:")[0]
    assert "12.8" in table
    assert table.count("✕") >= 9
    assert "0/9" in table
