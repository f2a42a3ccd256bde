"""What figures and tables call the factors of a run: one row each; any other factor goes by its own name."""

from __future__ import annotations

from typing import NamedTuple


class FactorName(NamedTuple):
    """The words of a factor: `label` on an axis, `head` over a column of a table."""

    label: str
    head: str


FACTOR_NAMES: dict[str, FactorName] = {
    "model.name": FactorName("network", "model"),
    "model.normalizer": FactorName("normaliser", "normaliser"),
    "clip.name": FactorName("clipping", "clip"),
    "clip.label": FactorName("clipping", "clipping"),
    "data.name": FactorName("data", "data"),
    "batch.global": FactorName("batch (images per step)", "batch"),
    "batch.norm_batch": FactorName("images in a BatchNorm statistics group", "norm_batch"),
    "lr": FactorName("learning rate", "lr"),
}


def label_of_factor(name: str) -> str:
    """How an axis calls it."""
    return FACTOR_NAMES[name].label if name in FACTOR_NAMES else name


def head_of_factor(name: str) -> str:
    """How a column of a table is headed."""
    return FACTOR_NAMES[name].head if name in FACTOR_NAMES else name
