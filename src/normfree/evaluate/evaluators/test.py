"""Accuracy on the images as they are, with its uncertainty, calibration, classes and mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normfree.evaluate.findings import Change, Findings, Judged, Table

if TYPE_CHECKING:
    from normfree.evaluate.keys import EvaluateKeys

ABOUT = "top-1 with its interval, top-5, NLL, calibration, classes, confusion, the most confident mistakes"
_ROWS = 50
"""Classes that the page lists; evaluation.json and classes.csv have all."""


def check(keys: EvaluateKeys) -> None:
    """Everything is good."""


def changes(keys: EvaluateKeys, size: int) -> dict[str, Change]:
    """None."""
    return {}


def findings(judged: Judged, keys: EvaluateKeys) -> Findings:
    """What is told of the clean images."""
    from normfree.evaluate.figures import draw_confusion, draw_reliability
    from normfree.evaluate.numbers import confusion, measures, of_classes, reliability
    from normfree.evaluate.sheet import draw_mistakes

    clean, names = judged.clean, judged.classes
    counts, bins = confusion(clean, len(names)), reliability(clean.confidence, clean.correct)
    numbers, classes = measures(clean), of_classes(counts, names)
    published = judged.facts.get("published_top1")
    figures = [draw_confusion(counts, names), draw_reliability(bins)]
    figures += [draw_mistakes(judged.mistakes, names)] if judged.mistakes else []
    return Findings(
        numbers | {
            "published_top1": None if published is None else published / 100,
            "reliability": [vars(each) for each in bins],
            "classes": classes,
        },
        _lines(numbers, published),
        [_table(classes)],
        figures,
        {"classes.csv": _csv(classes)},
    )  # fmt: skip


def _lines(numbers: dict[str, Any], published: float | None) -> list[str]:
    low, high = (100 * each for each in numbers["top1_interval"])
    accuracy = f"Top-1 {100 * numbers['top1']:.2f} % ({numbers['correct']:,} of {numbers['images']:,} images"
    lines = [f"{accuracy}; 95 % interval {low:.2f} to {high:.2f}, Wilson)."]
    if published is not None:
        lines.append(
            f"Published top-1 {published:.1f} %; measured less published {100 * numbers['top1'] - published:+.2f}."
        )
    if numbers["top5"] is not None:
        lines.append(f"Top-5 {100 * numbers['top5']:.2f} %.")
    sure = "over" if numbers["mean_confidence"] > numbers["top1"] else "under"
    lines.append(
        f"Negative log-likelihood {numbers['nll']:.4f} nats; expected calibration error {100 * numbers['ece']:.2f} % "
        f"(mean confidence {100 * numbers['mean_confidence']:.2f} %: {sure}confident)."
    )
    return lines


def _table(classes: list[dict[str, Any]]) -> Table:
    """The classes with the least recall first, where there are too many for the page."""
    shown = classes
    if len(classes) > _ROWS:
        shown = sorted(classes, key=lambda one: 2 if one["recall"] is None else one["recall"])[:_ROWS]
    rows = [
        [one["name"], f"{one['images']:,}", _percent(one["recall"]), _percent(one["precision"]), _percent(one["f1"]),
         f"{one['most_confused_with']} ({one['times']})" if one["times"] else ""]
        for one in shown
    ]  # fmt: skip
    about = f"The {_ROWS} of {len(classes)} with the least recall; classes.csv has all." if shown is not classes else ""
    heads = ["class", "images", "recall (%)", "precision (%)", "F1 (%)", "most taken for"]
    return Table("Classes", heads, rows, about)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _csv(classes: list[dict[str, Any]]) -> bytes:
    import pandas as pd

    from normfree.report.escaping import csv_text

    table = pd.DataFrame(classes)
    for column in ("name", "most_confused_with"):
        table[column] = table[column].map(lambda text: csv_text(text) if isinstance(text, str) else text)
    return table.to_csv(index=False, lineterminator="\n").encode()
