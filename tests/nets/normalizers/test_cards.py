"""docs/normalizers.md says what the normalisers say of themselves; this fails when it is stale."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from normfree.nets.normalizer_cards import SIGNAL, page, propagation
from normfree.nets.normalizer_measured import STRESS, STUDY
from normfree.nets.normalizer_prices import PRICES, price_table
from normfree.nets.normalizers import list_normalizers, normalizer


def test_the_page_is_not_stale() -> None:
    text = (ROOT / "docs" / "normalizers.md").read_text(encoding="utf-8")
    measured = page(ROOT / STUDY, ROOT / SIGNAL, ROOT / PRICES, ROOT / STRESS)
    assert text == measured, "docs/normalizers.md is stale: make models"


def test_every_normaliser_has_a_card_and_says_all_of_itself() -> None:
    text = page(Path("nowhere"))
    for name in list_normalizers():
        kind = normalizer(name)
        assert text.count(f"`model.normalizer={name}`. ") == 1
        assert kind.formula in text
        assert kind.advice
        assert kind.source


def test_the_report_is_named_where_it_is(tmp_path: Path) -> None:
    assert "What we measured" not in page(tmp_path)
    (tmp_path / "report.md").write_text("# measured", encoding="utf-8")
    assert "reports/normalizers/report.md" in page(tmp_path)


def test_what_is_told_of_dyt_is_what_was_measured(tmp_path: Path) -> None:
    rows = tmp_path / "signal.csv"
    lines = ["model,block,avg_sq_mean,avg_var,res_avg_var"]
    measured = {"resnet50": (0.8, 0.26), "resnet50_groupnorm": (0.4, 0.15), "resnet50_dyt": (2e-5, 3e-8)}
    for model, (variance, branch) in measured.items():
        lines += [f"{model},{block},{10 * variance},{variance},{branch}" for block in (1, 2)]
    rows.write_text("\n".join(lines), encoding="utf-8")
    told = " ".join(propagation(rows).split())
    assert "after the last block is 0.8, with GroupNorm 0.4, with DyT 2e-05" in told
    assert "that of the last one 3e-08" in told
    assert "squared channel mean is 10 times the variance" in told
    assert propagation(tmp_path / "nowhere.csv") == ""


def test_prices_are_those_of_the_rows_and_the_cheapest_step_comes_first(tmp_path: Path) -> None:
    rows = tmp_path / "prices.csv"
    head = "model,normalizer,what,precision,layout,image_size,batch,price,price_low,price_high,rounds,device,torch,"
    head += "form,threads"
    place = "resnet20,{},{},fp32,nhwc,32,128,{},{},{},{},CPU,2.13.0+cu130,eager,1"
    lines = [place.format("batchnorm", "train", 1, 1, 1, 5), place.format("dyt", "train", 1.333, 1.26, 1.41, 5)]
    lines += [place.format("twin", "train", 0.95, 0.9, 1, 5), place.format("dyt", "traffic", 1.95, 1.95, 1.95, 1)]
    rows.write_text("\n".join([head, *lines]), encoding="utf-8")
    table = [line for line in price_table(rows).splitlines() if line.startswith("|")][2:]
    assert [line.split(" | ")[0] for line in table] == ["| NF twin, no normaliser", "| BatchNorm", "| DyT"]
    assert table[2] == "| DyT | 1.33 [1.26, 1.41] |  |  | 1.95 |"
    assert price_table(tmp_path / "nowhere.csv") == ""


@pytest.mark.parametrize("name", list_normalizers())
def test_networks_are_told_by_their_layers(name: str) -> None:
    """As a network of another library is, where the layers are torch's or timm's."""
    from normfree.nets import create_model
    from normfree.nets.normalizers.found import found_normalizer

    known = {"batchnorm": "batchnorm", "groupnorm": "groupnorm", "groupnorm_ws": "groupnorm", "none": "none"}
    if name in known:
        assert found_normalizer(create_model("resnet20", 10, normalizer=name)) == known[name]
