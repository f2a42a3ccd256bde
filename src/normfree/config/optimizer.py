"""What the optimizers use, and which combinations would train something else than was asked for."""

import math
from importlib.util import find_spec

from normfree.config.batch_plan import BatchPlan
from normfree.config.errors import UserError
from normfree.config.schema import TrainConfig
from normfree.host.installing import install

OPTIMIZER_KEYS = {
    "sgd": ("momentum", "nesterov"),
    "adamw": ("beta1", "beta2", "eps"),
    "lamb": ("beta1", "beta2", "eps"),
    "lion": ("beta1", "beta2"),
    "muon": (
        "momentum",
        "nesterov",
        "ns_steps",
        "adjust_lr",
        "others",
        "others_lr_ratio",
        "others_momentum",
        "beta1",
        "beta2",
        "eps",
    ),
    "sphere": ("momentum", "nesterov", "head_lr", "bias_lr"),
    "custom": (),
}
"""What each optimizer uses beside learning rate and weight decay; one of the user's own has arguments."""

FROM_TIMM = ("lamb", "lion")
SIGN_BASED = ("lion",)
BY_ONE_LIMIT = ("norm", "per_tensor")


def check_optimizer(config: TrainConfig) -> None:
    """Relations between the optimizer and the rest.

    Raises:
        UserError: for the first thing that is wrong.
    """
    optimizer = config.optimizer
    for key in OPTIMIZER_KEYS[optimizer.name]:
        if getattr(optimizer, key) is None:
            raise UserError(f"optimizer.{key}=null: optimizer={optimizer.name} needs a value")
    if optimizer.name in SIGN_BASED and config.clip.name == "agc":
        raise UserError(
            f"clip=agc: beside optimizer={optimizer.name}, which steps by the sign of the gradient's average, clipping "
            "by units is lost; use clip=none or optimizer=sgd"
        )
    if optimizer.name == "muon":
        _check_muon(config)
    if optimizer.name == "sphere" and config.clip.name == "agc":
        raise UserError(
            "clip=agc: beside optimizer=sphere, whose steps have the same length whatever a gradient's, clipping by "
            "units is lost; use clip=none or optimizer=sgd"
        )
    if optimizer.name in FROM_TIMM and find_spec("timm") is None:
        raise UserError(
            f"optimizer={optimizer.name}: comes from the package timm, which is not installed; "
            f"{install('normfree[peers]')}, or use optimizer=adamw"
        )
    if optimizer.sam_rho is not None and config.precision == "16-mixed":
        raise UserError(
            f"optimizer.sam_rho={optimizer.sam_rho:g}: not with precision=16-mixed, as the ascent has no loss scale; "
            "use precision=bf16-mixed, or optimizer.sam_rho=null"
        )


def _check_muon(config: TrainConfig) -> None:
    if config.clip.name == "agc":
        raise UserError(
            "clip=agc: beside optimizer=muon, which gives every output of a kernel a step of about one length whatever "
            "its gradient's, clipping by units is lost; use clip=none, or optimizer=sgd"
        )
    if "all" in (config.model.freeze or ()):
        raise UserError(
            "optimizer=muon: of what model.freeze=[all] leaves, the classifier, it orthogonalises nothing; "
            "use optimizer=sgd or adamw"
        )


LEAST_MAGNITUDE = 3
"""Below, the paper's scale of RandAugment destroys images."""


def check_sam(config: TrainConfig, plan: BatchPlan) -> None:
    """The ascent is computed on the first images of the batch, on the devices that hold these.

    Raises:
        UserError: where ghost batches do not fit into that part, or synchronised BatchNorm would wait for all devices.
    """
    rho, share, ghost = config.optimizer.sam_rho, config.optimizer.sam_share, config.model.ghost_batch
    if rho is None:
        return
    if ghost is not None and math.ceil(round(share * plan.batch, 6)) % ghost:
        raise UserError(
            f"optimizer.sam_share={share:g}: {share:.3g} x {plan.batch} samples are no multiple of "
            f"model.ghost_batch={ghost}; use optimizer.sam_share=1 or another model.ghost_batch"
        )
    if plan.world_size > 1 and config.model.sync_norm:
        raise UserError(
            f"optimizer.sam_rho={rho:g}: not with model.sync_norm=true on {plan.world_size} devices, which do not "
            "all climb; use model.sync_norm=false, or optimizer.sam_rho=null"
        )


def optimizer_warnings(config: TrainConfig) -> list[str]:
    """What is allowed and perhaps not meant."""
    return _of_optimizers(config) + _of_augmentation(config)


def _of_augmentation(config: TrainConfig) -> list[str]:
    augment = config.augment
    if augment.randaugment_layers and not augment.increasing and augment.magnitude < LEAST_MAGNITUDE:
        return [
            f"augment.magnitude={augment.magnitude:g}: on the paper's scale images are the darker and coarser the "
            "lower it is, and black, grey or inverted at 0; augment.increasing=true has no augmentation there"
        ]
    return []


def _of_optimizers(config: TrainConfig) -> list[str]:
    name = config.optimizer.name
    if name == "muon" and config.clip.name in BY_ONE_LIMIT:
        return [
            f"clip={config.clip.name} beside optimizer=muon: a kernel's step has one length whatever its gradient's; a "
            f"limit acts on what others={config.optimizer.others} steps, and on a kernel by how much of a gradient "
            "stays in its momentum: clip=none, or clip=zclip, adagc or autoclip against outliers, is usual"
        ]
    if config.clip.name == "agc" and name in ("adamw", "lamb"):
        return [
            f"clip=agc beside optimizer={name}: AGC was made for SGD; {name} divides a gradient by its own size, "
            "so that clipping acts only where that size changes; clip=none or clip=norm is usual"
        ]
    return []
