"""What figures and tables call the factors of a run, and which column a word of the command line means."""

from __future__ import annotations

from typing import NamedTuple


class FactorName(NamedTuple):
    """The words of a factor: `label` on an axis, `head` over a column of a table."""

    label: str
    head: str


FACTOR_NAMES: dict[str, FactorName] = {
    "model.name": FactorName("network", "model"),
    "model.normalizer": FactorName("normaliser", "normaliser"),
    "model.weights": FactorName("weights started from", "weights"),
    "model.freeze": FactorName("stages frozen", "frozen"),
    "model.freeze_norm": FactorName("BatchNorm's statistics frozen", "freeze_norm"),
    "clip.name": FactorName("clipping", "clip"),
    "clip.label": FactorName("clipping", "clipping"),
    "clip.clip_factor": FactorName("threshold of AGC", "clip_factor"),
    "clip.eps": FactorName("floor of AGC (eps)", "eps"),
    "data.name": FactorName("data", "data"),
    "augment.name": FactorName("augmentation", "augment"),
    "augment.magnitude": FactorName("augmentation strength", "magnitude"),
    "attack.name": FactorName("attack in training", "attack"),
    "attack.epsilon": FactorName("reach of the attack (pixels from 0 to 1)", "attack epsilon"),
    "private.name": FactorName("private training", "private"),
    "private.epsilon": FactorName("privacy budget (epsilon)", "epsilon"),
    "private.max_norm": FactorName("largest norm of an image's gradient", "max_norm"),
    "optimizer.name": FactorName("optimizer", "optimizer"),
    "batch.global": FactorName("batch (images per step)", "batch"),
    "batch.norm_batch": FactorName("normalisation batch (images)", "norm_batch"),
    "lr": FactorName("learning rate", "lr"),
}

COLUMNS: dict[str, str] = {
    "model": "model.name",
    "clip": "clip.label",
    "data": "data.name",
    "augment": "augment.name",
    "optimizer": "optimizer.name",
    "batch": "batch.global",
    "norm_batch": "batch.norm_batch",
    "model.ghost_batch": "batch.norm_batch",
}
"""Of the words of the command line that results have another name for."""
_WORDS = {"clip.name": "clip"} | {column: word for word, column in reversed(COLUMNS.items())}


def column_of(word: str) -> str:
    """The column that a word means; the word itself where there is no other."""
    return COLUMNS.get(word, word)


def word_of(column: str) -> str:
    """The word of the command line for a column."""
    return _WORDS.get(column, column)


def label_of_factor(name: str) -> str:
    """How an axis calls it."""
    name = column_of(name)
    return FACTOR_NAMES[name].label if name in FACTOR_NAMES else name


def head_of_factor(name: str) -> str:
    """How a column of a table is headed."""
    return FACTOR_NAMES[name].head if name in FACTOR_NAMES else name
