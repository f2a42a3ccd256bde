"""The figure of accuracy over price: the rows that are there, the same bytes again, no mark without a mean."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from normfree.bench.prices import Options, run
from normfree.bench.prices_figure import caption, draw_figure
from normfree.config import UserError
from normfree.nets.normalizer_measured import STRESS, STUDY, read_rows
from normfree.nets.normalizer_prices import PRICES

ROWS = read_rows(ROOT / PRICES)
PLACES = (ROOT / STUDY, ROOT / STRESS)


def test_the_committed_figure_is_that_of_the_committed_rows() -> None:
    files = draw_figure(ROWS, *PLACES)
    assert files == draw_figure(ROWS, *PLACES)
    assert files["svg"] == (ROOT / PRICES).with_suffix(".svg").read_bytes(), "bench.py prices measure=false draws it"
    dearer = [{**row, "price": "1.7", "price_high": "1.8"} if row["normalizer"] == "dyt" else row for row in ROWS]
    assert draw_figure(dearer, *PLACES)["svg"] != files["svg"]


def test_it_is_of_what_both_have(tmp_path: Path) -> None:
    assert draw_figure(ROWS, tmp_path, tmp_path / "s.csv") == {}
    assert draw_figure([{**row, "model": "resnet56"} for row in ROWS], *PLACES) == {}
    assert "5 seeds" in caption(ROWS, *PLACES)


def test_nothing_to_draw_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv: has no row to draw; leave out measure=false"):
        run(Options(measure=False, device="cpu", out=str(tmp_path / "none.csv")))
