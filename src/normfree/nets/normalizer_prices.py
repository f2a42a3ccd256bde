"""The table in docs/normalizers.md of what each normaliser costs in a network, from the rows of ``bench.py prices``."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from normfree.nets.normalizers import list_normalizers, normalizer

PRICES = Path("reports/benchmarks/prices-cpu.csv")

_COSTS = {"train": "training step", "infer": "inference", "memory": "memory of a step", "traffic": "bytes moved"}
TWIN = "twin"
"""The NF network of the same shape, in the place of a normaliser's name."""
_SETTING = ("form", "precision", "layout", "image_size", "threads", "device")
_HEAD = """\
## What each costs

As a multiple of BatchNorm's in the same network, smaller is cheaper: {model} on {batch} images of {size} px,
{layout}, {precision}, {device}, torch {torch}; medians, with the quartiles of {rounds} rounds in brackets, all
measured in turn in one process ([rows](../{rows}); `python bench.py prices` measures them where you are). Inference is
of the folded network where it folds. Memory is the peak that torch holds beyond weights; bytes are counted from the
operations of an eager step in bfloat16. The rest of each network is the same, so that a larger one, or a fused kernel,
has other multiples.

| | {costs} |
|---|{rule}|
"""


def one_setting(rows: Sequence[Mapping[str, str]], model: str) -> dict[tuple[str, str], Mapping[str, str]]:
    """By normaliser and what was measured the rows of a network that stand beside its last training step.

    Those of another precision, batch, image size ... of the same file are other prices. Empty without such a step.
    """
    steps = [row for row in rows if row["model"] == model and row["what"] == "train"]
    if not steps:
        return {}
    return {
        (row["normalizer"], row["what"]): row
        for row in rows
        if row["model"] == model
        and all(row[key] == steps[-1][key] for key in _SETTING)
        and (row["what"] == "traffic" or row["batch"] == steps[-1]["batch"])  # counted for a single image
    }


def price_table(rows: Path) -> str:
    """A section with a line a normaliser, cheapest training step first; empty where `rows` is not there.

    Raises:
        KeyError: the rows lack BatchNorm's training step.
    """
    if not rows.exists():
        return ""
    with rows.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    found = one_setting(read, read[-1]["model"])
    step = found["batchnorm", "train"]
    head = _HEAD.format(
        model=step["model"], batch=step["batch"], size=step["image_size"], layout=step["layout"].upper(),
        precision=step["precision"], device=step["device"], torch=step["torch"].partition("+")[0],
        rounds=step["rounds"], rows=PRICES, costs=" | ".join(_COSTS.values()),
        rule="|".join(["---:"] * len(_COSTS)),
    )  # fmt: skip
    names = [name for name in (*list_normalizers(), TWIN) if (name, "train") in found]
    names.sort(key=lambda name: float(found[name, "train"]["price"]))
    lines = [f"| {_title(name)} | {' | '.join(_price(found.get((name, cost))) for cost in _COSTS)} |" for name in names]
    return head + "\n".join(lines) + "\n"


def _title(name: str) -> str:
    return "NF twin, no normaliser" if name == TWIN else normalizer(name).title


def _price(row: Mapping[str, str] | None) -> str:
    if row is None:
        return ""
    price = f"{float(row['price']):.2f}"
    return price if row["rounds"] == "1" else f"{price} [{float(row['price_low']):.2f}, {float(row['price_high']):.2f}]"
