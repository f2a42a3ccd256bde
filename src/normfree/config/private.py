"""Differentially private training: what it needs, and what would break its promise."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from normfree.config.errors import UserError
from normfree.config.normalizers import facts_of
from normfree.config.schema import TrainConfig
from normfree.host.installing import install

PRIVATE_KEYS: Mapping[str, tuple[str, ...]] = {"none": (), "dpsgd": ("epsilon", "delta", "max_norm")}
"""What each way of private training uses."""


def check_private(config: TrainConfig) -> None:
    """Relations between ``private`` and the rest.

    Raises:
        UserError: for the first thing that is wrong.
    """
    private, given = config.private, f"private={config.private.name}"
    if private.name == "none":
        return
    for key in PRIVATE_KEYS[private.name]:
        if not getattr(private, key):
            raise UserError(f"private.{key}={getattr(private, key)}: {given} needs a value above 0")
    if find_spec("opacus") is None:
        raise UserError(
            f"{given}: its accounting comes from the package opacus, which is not installed; "
            f"{install('normfree[private]')}"
        )
    kind = facts_of(config.model.normalizer)
    if kind.sees == "batch":
        raise UserError(
            f"{given} and model={config.model.name}: {kind.title} mixes the images of a batch, so that no image has a "
            "gradient of its own whose norm could be bounded; use model=nf_resnet20, or a network with GroupNorm"
        )
    if config.clip.name != "none":
        raise UserError(
            f"{given} and clip={config.clip.name}: each image's gradient is clipped to private.max_norm before noise "
            "is added, and clipping their noisy sum is another rule; use clip=none"
        )
    if config.augment.mixup or config.augment.cutmix:
        raise UserError(
            f"{given} and augment.mixup={config.augment.mixup:g} augment.cutmix={config.augment.cutmix:g}: a mixed "
            "image is of two people; leave mixing out"
        )
    for what, value in (
        ("optimizer.sam_rho", config.optimizer.sam_rho),
        ("attack", None if config.attack.name == "none" else config.attack.name),
        ("trainer.compile", config.trainer.compile or None),
        ("trainer.gradient_dtype", config.trainer.gradient_dtype),
    ):
        if value is not None:
            raise UserError(f"{given} and {what}={value}: the gradient of each image is not known to be bounded there; "
                            "leave one of them out")  # fmt: skip
    if config.precision == "16-mixed":
        raise UserError(f"{given} and precision=16-mixed: noise would be added to scaled gradients; use 32-true")
    if config.data.on_error != "raise":
        raise UserError(f"{given} and data.on_error=skip: who is left out would be told; use data.on_error=raise")
