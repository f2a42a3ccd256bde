"""bench.py normalizers: a row a layer and format, its ratio beside another's layer, passes that are counted."""

import csv
from pathlib import Path

import pytest

from normfree.bench.normalizers import Options, peers, run
from normfree.config import UserError
from normfree.nets import list_normalizers


def test_every_layer_with_a_peer_is_measured_and_moves_no_more(tmp_path: Path) -> None:
    run(Options(channels=16, size=6, batch=2, rounds=2, device="cpu", out=str(tmp_path / "rows.csv")))
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["normalizer"] for row in rows} == set(peers(16))
    assert set(peers(16)) <= set(list_normalizers())
    for row in rows:
        assert float(row["ratio"]) > 0
        assert float(row["passes"]) <= float(row["peer_passes"]) * 1.01, row["normalizer"]


@pytest.mark.parametrize(("name", "said"), [("rezero", "has no layer to stand beside"), ("frm", "no such normaliser")])
def test_what_has_no_peer_is_one_line(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"normalizers={name}: {said}; choose from batchnorm"):
        run(Options(normalizers=[name], device="cpu", out=str(tmp_path / "rows.csv")))
