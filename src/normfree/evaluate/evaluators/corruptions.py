"""Accuracy on corrupted images: fourteen kinds at five strengths (Hendrycks and Dietterich 2019, arXiv 1903.12261)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.evaluate.findings import CLEAN, Change, Findings, Judged, Table

if TYPE_CHECKING:
    from normfree.evaluate.keys import EvaluateKeys

ABOUT = "accuracy on images corrupted at five strengths: noise, blur, weather, digital"


def check(keys: EvaluateKeys) -> None:
    """
    Raises:
        UserError: there is no such corruption.
    """
    if not keys.corruptions:
        return
    from normfree.data.corrupting import corruptions

    for name in keys.corruptions:
        if name not in corruptions():
            known = ", ".join(corruptions())
            raise UserError(f"corruptions={name}: no such corruption{nearest(name, corruptions())}; there are: {known}")


def changes(keys: EvaluateKeys, size: int) -> dict[str, Change]:
    """Of every corruption that is asked for, at every strength."""
    from normfree.data.corrupting import STRENGTHS, Corrupted, corruptions

    names = keys.corruptions or list(corruptions())
    return {f"{name}/{strength}": Corrupted(name, strength) for name in names for strength in STRENGTHS}


def findings(judged: Judged, keys: EvaluateKeys) -> Findings:
    """Errors by kind and strength, their mean, and a figure."""
    from normfree.data.corrupting import STRENGTHS, corruptions
    from normfree.evaluate.numbers import measures
    from normfree.evaluate.strength_figure import draw_strengths

    kinds = [corruptions()[name] for name in keys.corruptions or corruptions()]
    every = {
        one.name: {str(strength): measures(judged.found[f"{one.name}/{strength}"]) for strength in STRENGTHS}
        for one in kinds
    }
    clean = measures(judged.found[CLEAN])
    errors = {name: [1 - each["top1"] for each in found.values()] for name, found in every.items()}
    means = {name: sum(each) / len(each) for name, each in errors.items()}
    mean = sum(means.values()) / len(means)
    rows = [
        [one.label, one.family, *(f"{100 * each:.1f}" for each in errors[one.name]), f"{100 * means[one.name]:.1f}"]
        for one in kinds
    ]
    by_strength = [sum(each[place] for each in errors.values()) / len(errors) for place in range(len(STRENGTHS))]
    rows.append(["mean", "", *(f"{100 * each:.1f}" for each in by_strength), f"{100 * mean:.1f}"])
    numbers = {
        "clean_error": 1 - clean["top1"],
        "mean_corruption_error": mean,
        "mean_above_clean": mean - (1 - clean["top1"]),
        "error_by_corruption": means,
        "error_by_strength": dict(zip(map(str, STRENGTHS), by_strength, strict=True)),
        "conditions": every,
    }
    figure = draw_strengths(
        {one.label: (one.family, [each["top1"] for each in every[one.name].values()]) for one in kinds},
        clean["top1"],
    )
    return Findings(
        numbers,
        [
            f"Mean corruption error {100 * mean:.1f} %, {100 * (mean - 1 + clean['top1']):.1f} points above the error "
            "on clean images. It is the plain mean over kinds and strengths, not divided by AlexNet's."
        ],
        [Table("Error by corruption and strength (%)", ["corruption", "family", *map(str, STRENGTHS), "mean"], rows)],
        [figure],
    )
