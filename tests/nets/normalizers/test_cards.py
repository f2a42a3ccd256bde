"""docs/normalizers.md says what the normalisers say of themselves; this fails when it is stale."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from normfree.nets.normalizer_cards import MEASURED, page
from normfree.nets.normalizers import list_normalizers, normalizer


def test_the_page_is_not_stale() -> None:
    text = (ROOT / "docs" / "normalizers.md").read_text(encoding="utf-8")
    assert text == page(ROOT / MEASURED), "docs/normalizers.md is stale: make models"


def test_every_normaliser_has_a_card_and_says_all_of_itself() -> None:
    text = page(Path("nowhere"))
    for name in list_normalizers():
        kind = normalizer(name)
        assert text.count(f"`model.normalizer={name}`. ") == 1
        assert kind.formula in text
        assert kind.advice
        assert kind.source


def test_the_report_is_named_where_it_is(tmp_path: Path) -> None:
    assert "What we measured" not in page(tmp_path / "report.md")
    (tmp_path / "report.md").write_text("# measured", encoding="utf-8")
    assert "reports/normalizers/report.md" in page(tmp_path / "report.md")


@pytest.mark.parametrize("name", list_normalizers())
def test_networks_are_told_by_their_layers(name: str) -> None:
    """As a network of another library is, where the layers are torch's or timm's."""
    from normfree.nets import create_model
    from normfree.nets.normalizers.found import found_normalizer

    known = {"batchnorm": "batchnorm", "groupnorm": "groupnorm", "groupnorm_ws": "groupnorm", "none": "none"}
    if name in known:
        assert found_normalizer(create_model("resnet20", 10, normalizer=name)) == known[name]
