"""The page on scaling prints what its formulas give, from the networks as they are."""

import re

import pytest
from scripts.scaling_plan import FAST, GIGA_MACS, NODES, PARAMETERS, efficiency, step_seconds, table

from tests.conftest import ROOT


def test_the_page_has_the_table_of_its_formulas() -> None:
    assert table() in (ROOT / "docs/scaling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("network", list(PARAMETERS))
def test_parameters_and_multiply_adds_are_the_networks(network: str) -> None:
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{network}` +\|[^|]*\| +([\d,]+) \| +([\d.]+) at", text, re.MULTILINE)
    assert row is not None
    assert int(row.group(1).replace(",", "")) == PARAMETERS[network]
    assert float(row.group(2)) == GIGA_MACS[network]


def test_by_hand() -> None:
    """NFNet-F0 on 64 nodes: 8 images a GPU, and 2 x 511/512 x 285.96 MB through 320 GB/s."""
    compute, update, communicate, step = step_seconds("nfnet_f0", NODES, FAST)
    assert compute == pytest.approx(8 * 6 * 6.98e9 / 2.967e14, rel=1e-3)
    assert update == pytest.approx(11 * 285.957e6 / 2.68e12, rel=1e-3)
    assert communicate == pytest.approx(570.8e6 / 320e9 + 12 * 12 * 5e-6, rel=1e-3)
    assert step == pytest.approx(compute + update + communicate - compute * 2 / 3)
    assert 0 < efficiency("nfnet_f0", FAST) < efficiency("nfnet_f6", FAST) < 1
