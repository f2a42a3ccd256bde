"""Conditions of a test, which ``evaluate_also`` names beside keys of ``data``: how images come, what they suffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from normfree.config.attack import ATTACK_KEYS
from normfree.config.errors import UserError, nearest
from normfree.config.schema import AttackConfig

ORDERS = ("as_is", "mixed", "by_class")
STATISTICS = ("running", "batch")
KEYS = ("attack", "images", "batch", "order", "statistics", "corruption", "strength")
LARGEST_STRENGTH = 5


@dataclass(frozen=True)
class Condition:
    """How a network is tested.

    Attributes:
        attack: on every image that is right without it; ``None``: none.
        images: how many, evenly over the split in its order; ``None``: all.
        batch: images at a time, which changes nothing but with ``statistics="batch"``.
        order: ``as_is``, which may be class by class; ``mixed``: at random, the same for all networks; or ``by_class``:
            every batch is of one class.
        statistics: of BatchNorm: its ``running`` ones, as networks are used, or as in training those of the ``batch``.
        corruption: one of `normfree.data.corrupting`.
        strength: of it, 1 to 5.
    """

    attack: AttackConfig | None = None
    images: int | None = None
    batch: int | None = None
    order: str = "as_is"
    statistics: str = "running"
    corruption: str | None = None
    strength: int = 3

    @property
    def sees_the_batch(self) -> bool:
        """Whether an image's result depends on those that are tested with it, in networks with BatchNorm."""
        return self.statistics == "batch"


def divided(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keys of ``data``, and those of a condition."""
    return (
        {key: value for key, value in given.items() if key not in KEYS},
        {key: value for key, value in given.items() if key in KEYS},
    )


def condition_of(given: Mapping[str, Any], prefix: str) -> Condition:
    """A condition from its keys.

    Args:
        prefix: of the keys in errors.

    Raises:
        UserError: a value that is none of its key.
    """
    for key, choices in (("order", ORDERS), ("statistics", STATISTICS)):
        if given.get(key, choices[0]) not in choices:
            raise UserError(f"{prefix}{key}={given[key]}: choose one of {', '.join(choices)}")
    for key, most in (("images", None), ("batch", None), ("strength", LARGEST_STRENGTH)):
        value = given.get(key, 1)
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < 1 or (most is not None and value > most):
            limits = "of at least 1" if most is None else f"from 1 to {most}"
            raise UserError(f"{prefix}{key}={value}: give a whole number {limits}")
    if "strength" in given and "corruption" not in given:
        raise UserError(f"{prefix}strength={given['strength']}: is of {prefix}corruption; give that too")
    attack = None if given.get("attack") is None else _attack(given["attack"], f"{prefix}attack")
    return Condition(**{**given, "attack": attack})


def _attack(given: Any, place: str) -> AttackConfig:
    known = ATTACK_KEYS["pgd"]
    if not isinstance(given, Mapping) or not set(known) <= set(given):
        raise UserError(
            f"{place}={given}: give {', '.join(known)}, such as {{epsilon: 0.03, step_size: 0.008, steps: 10}}"
        )
    for key, value in given.items():
        if key not in known:
            raise UserError(
                f"{place}.{key}={value}: no such key{nearest(str(key), known)}; there are: {', '.join(known)}"
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fine = number and (value >= 1 and value == int(value) if key == "steps" else 0 <= value <= 1)
        if not fine:
            limits = "a whole number of at least 1" if key == "steps" else "a number of pixels' scale, from 0 to 1"
            raise UserError(f"{place}.{key}={value}: give {limits}")
    return AttackConfig("pgd", float(given["epsilon"]), float(given["step_size"]), int(given["steps"]))
