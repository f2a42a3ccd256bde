"""bench.py prices: a row a normaliser and kind of cost, beside BatchNorm's in the same network."""

import csv
from pathlib import Path

import pytest

from normfree.bench.prices import WHAT, Options, run, section
from normfree.config import UserError


def test_a_row_each_and_batchnorm_costs_what_it_costs(tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    run(Options(normalizers=["none", "twin"], batch=2, image_size=8, rounds=2, device="cpu", out=str(out)))
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [(row["what"], row["normalizer"]) for row in rows] == [
        (what, name) for what in WHAT for name in ("batchnorm", "none", "twin")
    ]
    price = {(row["what"], row["normalizer"]): float(row["price"]) for row in rows}
    assert {price[what, "batchnorm"] for what in WHAT} == {1.0}
    assert price["traffic", "none"] < price["traffic", "twin"] < 1
    assert price["memory", "none"] < 1
    assert all(value > 0 for value in price.values())
    assert section(rows).splitlines()[0] == "| resnet20 | traffic | infer | train | memory |"
    assert section(rows).splitlines()[2].startswith("| batchnorm | 1.00 | 1.00 [1.00, 1.00] |")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "resnet21"}, "model=resnet21: .*resnet20"),
        ({"model": "nf_resnet20"}, "model=nf_resnet20: takes no normaliser; give a BatchNorm network"),
        ({"normalizers": ["frm"]}, "normalizers=frm: resnet20 has none of this name; choose from batchnorm"),
    ],
)
def test_what_is_not_there_is_one_line(options: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        run(Options(**options, device="cpu", out=str(tmp_path / "rows.csv")))  # type: ignore[arg-type]
