"""Accuracy on images moved by whole pixels and mirrored, and how often the answer stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normfree.config import UserError
from normfree.evaluate.findings import CLEAN, Change, Findings, Judged, Table

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.evaluate.keys import EvaluateKeys

ABOUT = "accuracy on images moved by whole pixels, and mirrored; how often the answer stays"
WAYS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
MIRRORED = "mirrored"
_AT_32 = (1, 2, 3, 4)


@dataclass(frozen=True)
class Moved:
    """By so many rows down and columns to the right; the edge is repeated where nothing was."""

    rows: int
    columns: int

    def __call__(self, images: Tensor, places: Sequence[int]) -> Tensor:
        import torch

        rows, columns = (
            (torch.arange(side) - by).clamp(0, side - 1)
            for side, by in zip(images.shape[2:], (self.rows, self.columns), strict=True)
        )
        return images[:, :, rows][:, :, :, columns]


@dataclass(frozen=True)
class Mirrored:
    """Left for right."""

    def __call__(self, images: Tensor, places: Sequence[int]) -> Tensor:
        return images.flip(3)


def check(keys: EvaluateKeys) -> None:
    """
    Raises:
        UserError: a shift is given twice.
    """
    if len(set(keys.shifts)) < len(keys.shifts):
        raise UserError(f"shifts={','.join(map(str, keys.shifts))}: give each number of pixels once")


def distances(keys: EvaluateKeys, size: int) -> list[int]:
    """In pixels, smaller than the image."""
    asked = keys.shifts or sorted({max(1, round(each * size / 32)) for each in _AT_32})
    if asked[-1] >= size or max(asked) >= size:
        raise UserError(f"shifts={max(asked)}: the images have {size} px; give fewer")
    return sorted(asked)


def changes(keys: EvaluateKeys, size: int) -> dict[str, Change]:
    """In four directions by each distance, and mirrored."""
    moved: dict[str, Change] = {
        f"{way}/{far}": Moved(down * far, right * far)
        for far in distances(keys, size)
        for way, (down, right) in WAYS.items()
    }
    return moved | {MIRRORED: Mirrored()}


def findings(judged: Judged, keys: EvaluateKeys) -> Findings:
    """By distance, over the four directions; the answer stays where the same class has the highest logit."""
    from normfree.evaluate.numbers import measures

    clean = judged.found[CLEAN]
    conditions, rows = {}, []
    for far in distances(keys, judged.size):
        found = {way: judged.found[f"{way}/{far}"] for way in WAYS}
        conditions[str(far)] = {
            way: measures(each) | {"same_answer": float((each.prediction == clean.prediction).mean())}
            for way, each in found.items()
        }
    mirrored = judged.found[MIRRORED]
    other = measures(mirrored) | {"same_answer": float((mirrored.prediction == clean.prediction).mean())}
    accuracy = {far: sum(each["top1"] for each in ways.values()) / len(ways) for far, ways in conditions.items()}
    same = {far: sum(each["same_answer"] for each in ways.values()) / len(ways) for far, ways in conditions.items()}
    for pixels, ways in conditions.items():
        each_way = [f"{100 * ways[way]['top1']:.2f}" for way in WAYS]
        rows.append([f"{pixels} px", f"{100 * accuracy[pixels]:.2f}", *each_way, f"{100 * same[pixels]:.2f}"])
    rows.append(["mirrored", f"{100 * other['top1']:.2f}", *[""] * len(WAYS), f"{100 * other['same_answer']:.2f}"])
    top1 = measures(clean)["top1"]
    furthest = list(accuracy)[-1]
    return Findings(
        {
            "clean_top1": top1, "top1_by_pixels": accuracy, "same_answer_by_pixels": same,
            "conditions": conditions, MIRRORED: other,
        },
        [
            f"Moved by {furthest} px: {100 * accuracy[furthest]:.2f} % (clean {100 * top1:.2f} %), with the same "
            f"answer for {100 * same[furthest]:.2f} % of the images."
        ],
        [Table("Accuracy of moved images (%)", ["moved by", "mean", *WAYS, "same answer"], rows)],
    )  # fmt: skip
