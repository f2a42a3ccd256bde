"""Accuracy on images that projected gradient descent has changed (Madry et al. 2018, arXiv 1706.06083)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normfree.config import UserError
from normfree.evaluate.findings import CLEAN, Change, Findings, Judged, Table

if TYPE_CHECKING:
    from torch import Tensor

    from normfree.evaluate.keys import EvaluateKeys
    from normfree.trained import Trained

ABOUT = "accuracy under an attack on every image: projected gradient descent, 10 steps from a random start"
REACHES = (1, 2, 4, 8)
"""Of 255: the published ones of photographs."""
STEPS = 10
STEP_SHARE = 0.25
"""Of the reach, that one step of the attack goes."""


@dataclass(frozen=True)
class Attacked:
    """On every image that a network has right; ``reach`` of 255 is the largest change of a pixel."""

    reach: int

    def __call__(self, images: Tensor, places: Sequence[int]) -> Tensor:
        """As they are: each network is attacked by itself, `against`."""
        return images

    def against(self, trained: Trained, inputs: Tensor, labels: Tensor, places: Sequence[int]) -> Tensor:
        """The normalised inputs ``[N, C, S, S]`` that this network is attacked with, on the device of its weights."""
        from functools import partial

        import torch

        from normfree.config.schema import AttackConfig
        from normfree.train.evaluation import logits_of
        from normfree.train.parts.attack import Attack

        config, data = trained.resolved.config, trained.preprocessing
        epsilon = self.reach / 255
        attack = Attack(
            AttackConfig("pgd", epsilon, STEP_SHARE * epsilon, STEPS), (list(data.mean), list(data.std)), config.seed
        )
        there = next(trained.network.parameters())
        inputs, labels = inputs.to(there.device, there.dtype), labels.to(there.device)
        numbers = torch.tensor(list(places), device=there.device)
        tested = partial(logits_of, trained.network, mirrored=config.augment.test_flip)
        return attack.in_testing(tested, inputs, labels, tested(inputs), numbers)


def check(keys: EvaluateKeys) -> None:
    """
    Raises:
        UserError: a reach is given twice.
    """
    if len(set(keys.reaches)) < len(keys.reaches):
        raise UserError(f"reaches={','.join(map(str, keys.reaches))}: give each once")


def reaches(keys: EvaluateKeys) -> list[int]:
    """Of 255, in their order."""
    return sorted(keys.reaches or REACHES)


def changes(keys: EvaluateKeys, size: int) -> dict[str, Change]:
    """One attack a reach."""
    return {f"attack/{reach}": Attacked(reach) for reach in reaches(keys)}


def findings(judged: Judged, keys: EvaluateKeys) -> Findings:
    """By reach. No attack makes a wrong image right, so that no accuracy is above that of clean images."""
    from normfree.evaluate.numbers import measures

    clean = measures(judged.found[CLEAN])["top1"]
    found = {reach: measures(judged.found[f"attack/{reach}"]) for reach in reaches(keys)}
    furthest = max(found)
    rows = [[f"{reach} of 255", f"{100 * each['top1']:.2f}", f"{each['nll']:.3f}"] for reach, each in found.items()]
    return Findings(
        {
            "clean_top1": clean,
            "steps": STEPS,
            "top1_by_reach": {str(reach): each["top1"] for reach, each in found.items()},
        },
        [
            f"Under an attack that changes no pixel by more than {furthest} of 255: "
            f"{100 * found[furthest]['top1']:.2f} % (clean {100 * clean:.2f} %). Stronger attacks find more."
        ],
        [Table("Accuracy of attacked images (%)", ["change of a pixel, at most", "top-1", "NLL (nats)"], rows)],
    )
