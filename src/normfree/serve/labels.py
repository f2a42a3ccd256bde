"""The most probable classes of an image, and the columns of a table that tell them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from normfree.serve.networks import Network

Top = list[tuple[str, float]]


def top_of(probabilities: Tensor, classes: Sequence[str], count: int) -> Top:
    """Names and probabilities of the most probable classes of ``[K]``, the highest first."""
    values, places = probabilities.topk(min(count, len(classes)))
    return [(classes[place], value) for place, value in zip(places.tolist(), values.tolist(), strict=True)]


def label_columns(networks: Sequence[tuple[str, Network]], count: int) -> list[str]:
    """``label, probability, label_2, probability_2, ...``"""
    most = min(count, max(len(network.classes) for _, network in networks))
    return [f"{name}{_number(place)}" for place in range(most) for name in ("label", "probability")]


def told(top: Top) -> dict[str, str | float]:
    """For those columns."""
    row: dict[str, str | float] = {}
    for place, (label, probability) in enumerate(top):
        row[f"label{_number(place)}"], row[f"probability{_number(place)}"] = label, probability
    return row


def _number(place: int) -> str:
    return f"_{place + 1}" if place else ""
