"""Adversarial training: what its attack needs, and beside what it would be another one."""

from __future__ import annotations

from collections.abc import Mapping

from normfree.config.errors import UserError
from normfree.config.schema import TrainConfig

ATTACK_KEYS: Mapping[str, tuple[str, ...]] = {"none": (), "pgd": ("epsilon", "step_size", "steps")}
"""What each attack uses."""


def check_attack(config: TrainConfig) -> None:
    """Relations between ``attack`` and the rest.

    Raises:
        UserError: for the first thing that is wrong.
    """
    attack, given = config.attack, f"attack={config.attack.name}"
    if attack.name == "none":
        return
    for key in ATTACK_KEYS[attack.name]:
        if getattr(attack, key) is None:
            raise UserError(f"attack.{key}=null: {given} needs a value")
    if config.precision == "16-mixed":
        raise UserError(
            f"{given} and precision=16-mixed: the gradient of an image has no loss scale; use precision=bf16-mixed"
        )
    if config.optimizer.sam_rho is not None:
        raise UserError(
            f"{given} and optimizer.sam_rho={config.optimizer.sam_rho:g}: images and weights would both move before "
            "the step, and which first is not settled; leave one of them out"
        )
    if config.trainer.compile:
        raise UserError(
            f"{given} and trainer.compile=true: the passes of the attack are not compiled; leave one of them out"
        )
