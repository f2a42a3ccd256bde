"""docs/models.md says what the registry, the networks and the papers say; this fails when it is stale."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from tests.conftest import ROOT

from normfree.nets import catalogue, count_parameters, create_model, list_models, model_info, registry
from normfree.nets.catalogue import Cost
from normfree.nets.published import FINETUNED, PUBLISHED

PAGE = ROOT / "docs" / "models.md"

# Sides in training and testing: table 1 of the NFNet paper, and the released code for what is not in it.
SIZES = {
    "nfnet_f0": (192, 256),
    "nfnet_f1": (224, 320),
    "nfnet_f2": (256, 352),
    "nfnet_f3": (320, 416),
    "nfnet_f4": (384, 512),
    "nfnet_f4_plus": (384, 512),
    "nfnet_f5": (416, 544),
    "nfnet_f6": (448, 576),
    "nfnet_f7": (480, 608),
    "nf_regnet_b0": (192, 224),
    "nf_regnet_b1": (224, 256),
    "nf_regnet_b2": (240, 272),
    "nf_regnet_b3": (288, 320),
    "nf_regnet_b4": (320, 384),
    "nf_regnet_b5": (384, 456),
}

# Table 3 of the NFNet paper, which rounds its peers to two digits: 10⁹ multiply-adds and 10⁶ parameters.
PAPER_COSTS = {
    "nfnet_f0": (12.38, 71.5),
    "nfnet_f1": (35.54, 132.6),
    "nfnet_f2": (62.59, 193.8),
    "nfnet_f3": (114.76, 254.9),
    "nfnet_f4": (215.24, 316.1),
    "nfnet_f5": (289.76, 377.2),
    "nfnet_f6": (377.28, 438.4),
    "resnet50": (4.10, 26.0),
    "resnet50_v1": (4.10, 26.0),
    "se_resnet50": (4.09, 28.0),
    "efficientnet_b0": (0.39, 5.3),
    "efficientnet_b3": (1.80, 12.0),
    "efficientnet_b4": (4.20, 19.0),
    "efficientnet_b5": (9.90, 30.0),
    "efficientnet_b6": (19.0, 43.0),
    "efficientnet_b7": (37.0, 66.0),
}


@pytest.fixture(scope="module")
def cost_of():
    """`catalogue.cost`, but with multiply-adds that were counted already, which takes a third of the time.

    Those of NFNets and NF-RegNets are the released code's own, and those of other normaliser-free networks their
    twins': `count_macs` is held to both in test_network_cost and test_nf_regnet.
    """
    released = json.loads((ROOT / "tests" / "golden" / "dm_variants.json").read_text(encoding="utf-8"))

    @cache
    def cost(name: str) -> Cost:
        info = model_info(name)
        label = re.sub(r"^(bn_)?nfnet_f(\d)", r"F\2", name).replace("_plus", "+").replace("nf_regnet_b", "NF-RegNet-B")
        row = released.get(label)
        if row and info.train_size % 32 == info.test_size % 32 == 0:
            macs = (int(row["flops_train"]), int(row["flops_test"]))
        elif info.twin and info.normalizer == "none":
            macs = (cost(info.twin).train_macs, cost(info.twin).test_macs)
        else:
            return catalogue.cost(name)
        with torch.device("meta"):
            return Cost(count_parameters(create_model(name)), *macs)

    return cost


def test_the_page_is_what_the_command_writes(cost_of):
    assert PAGE.read_text(encoding="utf-8") == catalogue.page(cost_of), "docs/models.md is stale: make models"


@pytest.mark.parametrize("name", list_models())
def test_parameters_are_those_published_with_the_code(name, cost_of):
    published = model_info(name).parameters
    assert published in (None, cost_of(name).parameters)
    assert f"| `{name}` " in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PAPER_COSTS))
def test_a_row_of_table_3_belongs_to_this_network(name, cost_of):
    giga, million = PAPER_COSTS[name]
    counted = (cost_of(name).test_macs / 1e9, cost_of(name).parameters / 1e6)
    if name.startswith("nfnet"):
        assert (round(counted[0], 2), round(counted[1], 1)) == (giga, million)
    assert counted == pytest.approx((giga, million), rel=0.05)


def test_sizes_are_the_papers():
    for name in list_models():
        info = model_info(name)
        if info.twin:
            twin = model_info(info.twin)
            assert (twin.train_size, twin.test_size) == (info.train_size, info.test_size), name
        wanted = SIZES.get(name.removeprefix("bn_"))
        if wanted is None:
            assert info.train_size == info.test_size
            assert info.family == "efficientnet" or info.train_size in (32, 224)
        else:
            assert (info.train_size, info.test_size) == wanted, name


def test_published_numbers_belong_to_networks_that_exist():
    assert {*PUBLISHED, *FINETUNED} <= set(list_models())
    table_3 = {name for name, rows in PUBLISHED.items() if rows[0].source == "table 3"}
    assert table_3 == set(PAPER_COSTS)


def test_accuracies_in_the_heads_of_configs_are_the_published_ones():
    for path in (ROOT / "conf" / "model").glob("*.yaml"):
        told = re.findall(r"([\d.]+) % top-1", path.read_text(encoding="utf-8"))
        rows = PUBLISHED.get(path.stem, ())
        assert {float(number) for number in told} <= {row.top1 for row in rows}, path.name


def test_a_family_of_ones_own_follows_under_its_own_name(monkeypatch):
    info = registry.ModelInfo("mine_2", "mine", "none", 32, 48, source="here")
    for name in ("mine_10", "mine_2"):
        variant = registry._Variant(replace(info, name=name), lambda **_: None, {})
        monkeypatch.setitem(registry._VARIANTS, name, variant)
    text = catalogue.page(lambda name: Cost(1234, 5_000_000, 2_000_000_000))
    section = text.split("## mine\n")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.strip().splitlines()[2:]]
    assert cells == [
        [f"`{name}`", "", "1,234", "0.005 at 32 px", "2.00 at 48 px", "", "", ""] for name in ("mine_2", "mine_10")
    ]


def test_every_table_is_a_rectangle():
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(tables) == 8
    for table in tables:
        assert len({(len(line), line.count("|")) for line in table.splitlines()}) == 1


def test_the_command(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "cost", lambda name: Cost(1, 2, 3))
    page = tmp_path / "models.md"
    assert catalogue.main([str(page)]) == 0
    assert capsys.readouterr().out == f"{page}: {len(list_models())} networks\n"
    assert catalogue.main([str(page), "--check"]) == 0

    page.write_text(page.read_text(encoding="utf-8").replace("83.6", "83.7"), encoding="utf-8")
    stale = page.read_bytes()
    assert catalogue.main([str(page), "--check"]) == 1
    assert capsys.readouterr().err == f"{page} is stale; make models writes it again\n"
    assert page.read_bytes() == stale


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("nowhere/models.md",), "there is no folder"), (("models.md", "--check"), "there is no such page")],
)
def test_a_page_that_is_not_there_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert catalogue.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"catalogue: {arguments[0]}: {message}")
    assert error.count("\n") == 1
