"""One pass over a split: every image read once, judged by every network under every condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from normfree.evaluate.evaluators import evaluators
from normfree.evaluate.evaluators.attack import Attacked
from normfree.evaluate.findings import CLEAN, Change
from normfree.evaluate.images import Images
from normfree.evaluate.keys import EvaluateKeys
from normfree.evaluate.predictions import Mistake, Predictions, joined, judged, surest_mistakes
from normfree.train.evaluation import logits_of
from normfree.trained import Trained


@dataclass(frozen=True)
class Collected:
    """What was found, of one share or of all of them together.

    Attributes:
        found: network -> condition -> predictions.
        mistakes: network -> the most confident ones on clean images.
        skipped: images that could not be read and were left out.
    """

    found: Mapping[str, Mapping[str, Predictions]]
    mistakes: Mapping[str, list[Mistake]]
    skipped: int = 0


def changes_of(keys: EvaluateKeys, size: int) -> dict[str, Change]:
    """Of all evaluators that are asked for."""
    return {name: each for one in keys.evaluate for name, each in evaluators()[one].changes(keys, size).items()}


@torch.no_grad()
def collect(
    subjects: Mapping[str, Trained],
    images: Images,
    changes: Mapping[str, Change],
    device: torch.device,
    batch: int,
    most: int,
    tick: Callable[[int], object] = lambda images: None,
) -> Collected:
    """Judge one share of a split.

    Args:
        subjects: of the same preprocessing.
        most: mistakes to keep of each network.
        tick: told how many images are done.
    """
    for trained in subjects.values():
        trained.network.to(device)
    parts: dict[str, dict[str, list[Predictions]]] = {name: {} for name in subjects}
    mistakes: dict[str, list[Mistake]] = {name: [] for name in subjects}
    for pixels, inputs, labels, places in images.batches(batch):
        for condition, change in {CLEAN: None, **changes}.items():
            changed = pixels if change is None else change(pixels, places)
            for name, trained in subjects.items():
                if isinstance(change, Attacked):
                    given = change.against(trained, inputs, labels, places)
                else:
                    given = inputs if change is None else trained.preprocessing.normalised(changed)
                found = judged(_logits(trained, given, device), labels, places)
                parts[name].setdefault(condition, []).append(found)
                if change is None and most:
                    mistakes[name] = surest_mistakes([*mistakes[name], *_wrong(found, pixels)], most)
        tick(len(labels))
    found_all = {name: {each: joined(rows) for each, rows in found.items()} for name, found in parts.items()}
    return Collected(found_all, mistakes, sum(images.source.skipped().values()))


def merged(parts: list[Collected], most: int) -> Collected:
    """Of all shares together."""
    conditions = {name: dict.fromkeys(each for part in parts for each in part.found[name]) for name in parts[0].found}
    found = {
        name: {each: joined([part.found[name][each] for part in parts if each in part.found[name]]) for each in every}
        for name, every in conditions.items()
    }
    mistakes = {name: surest_mistakes([one for part in parts for one in part.mistakes[name]], most) for name in found}
    return Collected(found, mistakes, sum(part.skipped for part in parts))


def _logits(trained: Trained, inputs: Tensor, device: torch.device) -> Tensor:
    """As `normfree.train.evaluation.measure` computes them."""
    layout = torch.channels_last if trained.resolved.config.trainer.channels_last else torch.contiguous_format
    kind = next(trained.network.parameters()).dtype
    mirrored = trained.resolved.config.augment.test_flip
    return logits_of(trained.network, inputs.to(device, kind, memory_format=layout), mirrored).float()


def _wrong(found: Predictions, pixels: Tensor) -> list[Mistake]:
    return [
        Mistake(
            int(found.index[row]), int(found.label[row]), int(found.prediction[row]), float(found.confidence[row]),
            float(found.of_label[row]), pixels[row].numpy(),
        )
        for row in (~found.correct).nonzero()[0]
    ]  # fmt: skip
