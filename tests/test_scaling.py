"""The page on scaling prints what its formulas give, from the networks and the measurements as they are."""

import re
from collections.abc import Iterator

import pytest
from scripts import scaling_plan
from scripts.scaling_plan import FAST, GIGA_MACS, PAGE, PARAMETERS, SLOW, bf16_saves, filled, ring_seconds, step

from tests.conftest import ROOT


def test_the_page_has_the_tables_of_its_formulas() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, "measurements or formulas have changed: python scripts/scaling_plan.py"


@pytest.mark.parametrize("network", list(PARAMETERS))
def test_parameters_and_multiply_adds_are_the_networks(network: str) -> None:
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{network}` +\|[^|]*\| +([\d,]+) \| +([\d.]+) at", text, re.MULTILINE)
    assert row is not None
    assert int(row.group(1).replace(",", "")) == PARAMETERS[network]
    assert float(row.group(2)) == GIGA_MACS[network]


@pytest.fixture
def _rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One measurement of each kind, in round numbers; F1 takes 80 ms for 128 images and 64 for 32."""
    case = {"form": "eager", "precision": "bf16", "layout": "nhwc", "subject": "normfree", "model": "nfnet_f1"}
    known = {
        "nets": [
            case | {"what": "train", "batch": "128", "value": "80"},
            case | {"what": "train", "batch": "128", "value": "90"},
            case | {"what": "train", "batch": "32", "value": "64"},
            case | {"what": "train", "batch": "32", "value": "1", "subject": "timm dm_nfnet_f1"},
            case | {"what": "train", "batch": "32", "value": "1", "subject": "normfree bn_nfnet_f1"},
            case | {"what": "train", "batch": "32", "value": "1", "form": "compiled"},
            case | {"what": "memory", "batch": "128", "value": "8192"},
        ],
        "clip": [
            {"method": "normfree triton", "clipped": "0.05", "value": "2"},
            {"method": "one pass", "clipped": "0.05", "value": "0.5"},
        ],
        "latency": [case | {"what": "train", "batch": "8", "value": "48", "update": "false", "model": "nfnet_f0"}],
    }  # fmt: skip
    monkeypatch.setattr(scaling_plan, "rows", known.__getitem__)
    scaling_plan.steps.cache_clear()
    yield
    scaling_plan.steps.cache_clear()


@pytest.mark.usefixtures("_rows")
def test_by_hand() -> None:
    one, many = (step("nfnet_f1", nodes, SLOW) for nodes in (1, 64))
    size = 4 * 132_634_256
    assert one.compute == pytest.approx(4 * 0.080)
    assert many.compute == pytest.approx(0.064)
    assert step("nfnet_f1", 64, SLOW, launched=False).compute == pytest.approx(8 * 0.080 / 128)
    rate = 3 * 4 * 71_489_284 / 0.5e-3
    assert many.update == pytest.approx(0.002 * 132_634_256 / 71_489_284 + 8 * size / rate)
    assert one.reduce == pytest.approx(2 * 7 / 8 * size / 360e9)
    assert one.waiting == 0
    assert many.reduce == pytest.approx(2 * 511 / 512 * size / 10e9 + 12 * 22 * 5e-6)
    assert many.waiting == pytest.approx(many.reduce - 0.064 * 2 / 3)
    assert ring_seconds(size, 64, FAST, turns=1) == pytest.approx(511 / 512 * size / 320e9 + 6 * 22 * 5e-6)
    halved = 2 * 511 / 512 * size / 2 / 10e9 + 12 * 11 * 5e-6 - 0.064 * 2 / 3
    assert bf16_saves("nfnet_f1", 64, SLOW) == pytest.approx((many.waiting - halved) / many.seconds)


@pytest.mark.usefixtures("_rows")
def test_what_was_not_measured_follows_from_what_was() -> None:
    assert scaling_plan.launching("nfnet_f0") == pytest.approx(0.048)
    assert scaling_plan.launching("nfnet_f6") == pytest.approx(84 * (0.048 / 12 + 0.064 / 24) / 2)
    assert scaling_plan.seconds_an_image("nfnet_f6") == pytest.approx(0.080 / 128 * 228.29 / 17.44)
    assert [scaling_plan.micro_batch(name, 512) for name in ("nfnet_f1", "nfnet_f6")] == [128, 64]
    assert scaling_plan.micro_batch("nfnet_f6", 8) == 8
