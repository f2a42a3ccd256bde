"""Ranges of single keys and relations between them; each failure is one line with key, value and remedy."""

import math
from collections.abc import Callable

from normfree.config.also import check_also
from normfree.config.attack import ATTACK_KEYS, check_attack
from normfree.config.clipping import CLIP_KEYS, check_clip_keys
from normfree.config.errors import UserError
from normfree.config.finetuning import check_finetuning
from normfree.config.names import check_name, check_place
from normfree.config.networks import is_known, own_normalizer
from normfree.config.normalizers import check_normalizer
from normfree.config.optimizer import OPTIMIZER_KEYS, check_optimizer
from normfree.config.parts import CUSTOM, check_parts
from normfree.config.private import PRIVATE_KEYS, check_private
from normfree.config.schema import PRECISIONS, LoggerConfig, TrainConfig
from normfree.config.sources import LOADERS, check_source, is_ffcv, is_resident, look_at

Check = tuple[str, Callable[[float], bool], str]

_POSITIVE: Check = ("positive", lambda value: value > 0, "must be greater than 0")
_NOT_NEGATIVE: Check = ("not negative", lambda value: value >= 0, "must be 0 or greater")
_SHARE: Check = ("share", lambda value: 0 <= value < 1, "must be at least 0 and below 1")
_PART: Check = ("part", lambda value: 0 < value <= 1, "must be greater than 0 and at most 1")
_PROBABILITY: Check = ("probability", lambda value: 0 <= value <= 1, "must be from 0 to 1")
_PERCENTILE: Check = ("percentile", lambda value: 0 <= value <= 100, "must be from 0 to 100")
_SEED: Check = ("seed", lambda value: 0 <= value < 2**32, "must be a whole number from 0 to 4294967295")
_ABOVE_ONE: Check = ("above one", lambda value: value > 1, "must be greater than 1")
_COUNT: Check = ("count", lambda value: value >= 1, "must be at least 1")

RANGES: dict[str, Check] = {
    "batch": _COUNT,
    "steps": _COUNT,
    "epochs": _POSITIVE,
    "lr": _POSITIVE,
    "seed": _SEED,
    "attack.epsilon": _PROBABILITY,
    "attack.step_size": _PROBABILITY,
    "attack.steps": _COUNT,
    "private.epsilon": _POSITIVE,
    "private.delta": _SHARE,
    "private.max_norm": _POSITIVE,
    "model.drop_rate": _SHARE,
    "model.stochastic_depth_rate": _SHARE,
    "model.ghost_batch": _COUNT,
    "model.groups": _COUNT,
    "model.channels_per_group": _COUNT,
    "model.alpha": _POSITIVE,
    "model.alpha_init": _POSITIVE,
    "model.stem_width": _COUNT,
    "model.group_size": _COUNT,
    "model.bottleneck_ratio": _POSITIVE,
    "model.se_ratio": _NOT_NEGATIVE,
    "clip.clip_factor": _POSITIVE,
    "clip.eps": _POSITIVE,
    "clip.max_norm": _POSITIVE,
    "clip.z_threshold": _POSITIVE,
    "clip.max_ratio": _POSITIVE,
    "clip.decay": _SHARE,
    "clip.warmup_steps": _COUNT,
    "clip.percentile": _PERCENTILE,
    "data.workers": _NOT_NEGATIVE,
    "data.train_size": _COUNT,
    "data.test_size": _COUNT,
    "data.crop_padding": _NOT_NEGATIVE,
    "augment.shift": _NOT_NEGATIVE,
    "augment.erasing": _PROBABILITY,
    "augment.mixup": _NOT_NEGATIVE,
    "augment.cutmix": _NOT_NEGATIVE,
    "augment.magnitude": _NOT_NEGATIVE,
    "augment.randaugment_layers": _NOT_NEGATIVE,
    "optimizer.base_lr": _POSITIVE,
    "optimizer.final_lr": _NOT_NEGATIVE,
    "optimizer.momentum": _SHARE,
    "optimizer.head_lr": _POSITIVE,
    "optimizer.bias_lr": _POSITIVE,
    "optimizer.beta1": _SHARE,
    "optimizer.beta2": _SHARE,
    "optimizer.eps": _POSITIVE,
    "optimizer.ns_steps": _COUNT,
    "optimizer.others_lr_ratio": _POSITIVE,
    "optimizer.others_momentum": _SHARE,
    "optimizer.weight_decay": _NOT_NEGATIVE,
    "optimizer.warmup_epochs": _NOT_NEGATIVE,
    "optimizer.warmup_steps": _NOT_NEGATIVE,
    "optimizer.warmup_share": _SHARE,
    "optimizer.label_smoothing": _SHARE,
    "optimizer.ema_decay": _SHARE,
    "optimizer.sam_rho": _POSITIVE,
    "optimizer.sam_share": _PART,
    "optimizer.layer_decay": _PART,
    "trainer.devices": _COUNT,
    "trainer.nodes": _COUNT,
    "trainer.micro_batch": _COUNT,
    "trainer.threads": _COUNT,
    "trainer.log_every": _COUNT,
    "trainer.evaluate_every": _COUNT,
    "trainer.checkpoint_minutes": _POSITIVE,
    "trainer.hang_minutes": _POSITIVE,
    "outcome.patience": _COUNT,
    "outcome.window": _COUNT,
    "outcome.tolerance": _SHARE,
    "outcome.blow_up": _ABOVE_ONE,
    "outcome.level": _PART,
    "outcome.stalled_skip_gain": _NOT_NEGATIVE,
    "logger.timeout": _POSITIVE,
}

CHOICES: dict[str, tuple[str, ...]] = {
    "precision": PRECISIONS,
    "model.standardization": ("deepmind", "timm"),
    "model.weights_kind": ("raw", "ema"),
    "model.head": ("keep", "new"),
    "clip.name": tuple(CLIP_KEYS),
    "attack.name": tuple(ATTACK_KEYS),
    "private.name": tuple(PRIVATE_KEYS),
    "clip.unit": ("deepmind", "timm", "tensor"),
    "clip.eps_scope": ("all", "vectors", "skip_gains"),
    "clip.scope": ("deepmind", "timm", "all"),
    "data.loader": LOADERS,
    "data.on_error": ("raise", "skip"),
    "optimizer.name": tuple(OPTIMIZER_KEYS),
    "optimizer.adjust_lr": ("original", "match_rms_adamw"),
    "optimizer.others": ("sgd", "adamw"),
    "trainer.accelerator": ("auto", "cpu", "gpu"),
    "trainer.gradient_dtype": ("bf16",),
    "logger.name": ("csv", "wandb", CUSTOM),
    "logger.mode": ("online", "offline"),
}


_NOT_IN_A_PROJECT = "/\\#?%:"
WARMUP_KEYS = ("warmup_epochs", "warmup_steps", "warmup_share")


def lookup(config: TrainConfig, key: str) -> object:
    """The value of a dotted key."""
    value: object = config
    for part in key.split("."):
        value = getattr(value, part)
    return value


def validate(config: TrainConfig) -> None:
    """Check ranges, choices and relations.

    Raises:
        UserError: for the first key that is wrong.
    """
    check_name("experiment.name", config.experiment.name)
    check_place("runs_dir", config.runs_dir)
    if not isinstance(config.again, bool) and config.again < 2:
        raise UserError(
            f"again={config.again}: give true, or which training of the run, from 2; the first is again=false"
        )
    for key, (_, holds, remedy) in RANGES.items():
        value = lookup(config, key)
        if value is None:
            continue
        assert isinstance(value, int | float)
        if math.isinf(value):
            raise UserError(f"{key}={value}: must be a finite number")
        if math.isnan(value) or not holds(value):
            raise UserError(f"{key}={value}: {remedy}")
    for key, choices in CHOICES.items():
        value = lookup(config, key)
        if value is not None and value not in choices:
            raise UserError(f"{key}={value}: choose one of {', '.join(choices)}")
    _check_relations(config)


def _check_wandb(logger: LoggerConfig) -> None:
    if logger.name != "wandb":
        return
    if not 1 <= len(logger.project) <= 128 or set(logger.project) & set(_NOT_IN_A_PROJECT):
        raise UserError(
            f"logger.project={logger.project}: W&B takes 1 to 128 characters without {' '.join(_NOT_IN_A_PROJECT)}; "
            "give the project another name"
        )
    if not all(tag.strip() for tag in logger.tags):
        raise UserError(f"logger.tags={logger.tags}: W&B takes no empty tags; leave them out")


def _check_relations(config: TrainConfig) -> None:
    _check_wandb(config.logger)
    if config.steps is not None and config.epochs is not None:
        raise UserError(f"steps={config.steps} and epochs={config.epochs:g}: give one of them; the other follows")
    if config.steps is None and config.epochs is None:
        raise UserError("steps=null and epochs=null: say how long to train, for instance steps=300 or epochs=10")
    warmups = [key for key in WARMUP_KEYS if getattr(config.optimizer, key) is not None]
    if len(warmups) > 1:
        raise UserError(f"optimizer.{' and optimizer.'.join(warmups)} are given: keep one of them, null the others")
    check_normalizer(config.model, own_normalizer(config.model), is_known(config.model))
    _check_sync_norm(config)
    _check_gradient_dtype(config)
    check_finetuning(config)
    check_also(config)
    if config.model.standardization is not None and config.model.family != "nfnet":
        raise UserError(
            f"model.standardization={config.model.standardization}: not an option of {config.model.name}; "
            "leave it out or choose an NFNet such as model=nfnet_nano"
        )
    check_parts(config)
    check_clip_keys(config.clip)
    patience = config.outcome.patience
    if patience is not None and config.outcome.window > patience:
        raise UserError(
            f"outcome.window={config.outcome.window}: longer than outcome.patience={patience}; set it to that or less"
        )
    check_optimizer(config)
    check_attack(config)
    check_private(config)
    _check_augmentation(config)
    if config.batch > config.data.train_samples:
        raise UserError(
            f"batch={config.batch}: larger than the {config.data.train_samples} training images of "
            f"{config.data.name}; use batch={config.data.train_samples} or less, or more data{_unreadable(config)}"
        )


def _unreadable(config: TrainConfig) -> str:
    """What to add where images that are few cannot even be read."""
    try:
        seen = look_at(config.data)
    except UserError:
        return ""
    if seen is None or not seen.broken:
        return ""
    return (
        f"; {len(seen.broken)} of the {seen.at:,} images that were looked at cannot be read, such as {seen.broken[0]}"
    )


def _check_sync_norm(config: TrainConfig) -> None:
    model = config.model
    if not model.sync_norm:
        return
    if model.ghost_batch is not None:
        raise UserError(
            f"model.sync_norm=true and model.ghost_batch={model.ghost_batch}: larger groups than the micro batch, and "
            "smaller; leave one of them out"
        )
    if config.trainer.accelerator == "cpu" and config.trainer.devices * config.trainer.nodes > 1:
        raise UserError(
            "model.sync_norm=true and trainer.accelerator=cpu: torch synchronises BatchNorm between GPUs alone; "
            "use trainer=ddp, or leave it out"
        )


def _check_gradient_dtype(config: TrainConfig) -> None:
    trainer = config.trainer
    if trainer.gradient_dtype is None:
        return
    given = f"trainer.gradient_dtype={trainer.gradient_dtype}"
    if trainer.devices * trainer.nodes == 1:
        raise UserError(f"{given}: one device sends no gradients; leave it out, or use trainer=ddp for several")
    if config.precision == "64-true":
        raise UserError(f"{given} and precision=64-true: gradients of 64 bits in 16; leave one of them out")


def _check_augmentation(config: TrainConfig) -> None:
    """What a source cannot do is refused, not left out."""
    augment, data = config.augment, config.data
    if augment.magnitude > 30:
        raise UserError(f"augment.magnitude={augment.magnitude:g}: the scale is 0 to 10, and up to 30 at most")
    check_source(data)
    if augment.flip and augment.alternate and not (is_resident(data) or is_ffcv(data)):
        raise UserError(
            "augment.alternate=true: the loader that reads images again each time knows no other epoch; "
            "use data.loader=resident, or augment.alternate=false"
        )
    if data.channels not in (1, 3):
        raise UserError(f"data.channels={data.channels}: choose 1 (grey) or 3 (colour)")
    for key in ("mean", "std"):
        given = getattr(data, key)
        if given is not None and len(given) != data.channels:
            raise UserError(f"data.{key}={given}: data.channels={data.channels} needs as many values")
    if (data.mean is None) != (data.std is None):
        raise UserError(f"data.mean={data.mean} data.std={data.std}: give both or neither")
