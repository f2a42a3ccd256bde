"""The trainers with which clipping in a callback would be wrong; told before the first step. Needs no Lightning."""

from __future__ import annotations

from typing import Any

from normfree.config import UserError

SHARDED = frozenset({"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"})
"""Strategies, of either Lightning package, that give each device a piece of every gradient."""


def refuse_sharded(
    trainer: Any, what: str, without: str, why: str = "every gradient, and a norm needs all of it"
) -> None:
    """Raise `UserError` where no device has whole gradients and weights.

    Args:
        what: needs them, as the user said it, ``clip=agc`` for instance.
        without: how to do without it.
        why: what devices have pieces of, and why that is not enough.
    """
    if SHARDED & {each.__name__ for each in type(trainer.strategy).__mro__}:
        raise UserError(
            f"{what} and strategy={type(trainer.strategy).__name__}: each device has a piece of {why}; "
            f"use strategy=ddp, or {without}"
        )


def refuse_clipped_twice(trainer: Any, what: str) -> None:
    """Raise `UserError` where Lightning clips too."""
    if trainer.gradient_clip_val is not None:
        raise UserError(
            f"{what} and trainer.gradient_clip_val={trainer.gradient_clip_val}: "
            "gradients would be clipped twice; leave gradient_clip_val unset"
        )


def refuse_fused(trainer: Any, what: str) -> None:
    """Raise `UserError` where the optimizer unscales float16's gradients itself, after they were clipped."""
    fused = any(group.get("fused") for optimizer in trainer.optimizers for group in optimizer.param_groups)
    if fused and trainer.precision == "16-mixed":
        raise UserError(
            f"{what}, precision=16-mixed and a fused optimizer: it unscales gradients after they "
            "were clipped; make the optimizer with fused=False, or use precision=bf16-mixed"
        )


def refuse_orthogonal(trainer: Any, what: str) -> None:
    """Raise `UserError` where an optimizer gives every output of a matrix a step of one length."""
    if any(type(optimizer).__name__ == "Muon" for optimizer in trainer.optimizers):
        raise UserError(
            f"{what} and Muon: it gives every output of a matrix a step of about one length whatever its gradient's, "
            "and clipping by units is lost; use GradientClipping('zclip') or 'adagc', or another optimizer"
        )
