"""The values that follow from a configuration, worked out once and recorded with the run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from normfree.config.batch_plan import plan_batch
from normfree.config.effect import references, without_effect
from normfree.config.errors import UserError
from normfree.config.networks import network_names, own_normalizer
from normfree.config.normalizers import is_known, sees
from normfree.config.normalizers.facts import SEEN
from normfree.config.normalizers.own import seen_by, target_of
from normfree.config.optimizer import check_sam
from normfree.config.own_model import found_normalizer
from normfree.config.parts import CUSTOM, MODEL, is_target
from normfree.config.schema import ModelConfig, TrainConfig
from normfree.config.sources import counted as counted_in
from normfree.config.sources import named
from normfree.config.validate import WARMUP_KEYS, validate
from normfree.config.weights import settle_weights
from normfree.host.wording import counted

LR_REFERENCE_BATCH = 256


@dataclass(frozen=True)
class Resolved:
    """A checked configuration with everything that follows from it.

    Attributes:
        config: the checked configuration.
        steps: optimizer steps of the run.
        steps_per_epoch: full batches in one pass over the training data; the remainder is dropped.
        warmup_steps: steps of linear warm-up; fractional when given in epochs.
        lr: the learning rate at the end of warm-up.
        norm_batch: samples that a normaliser's statistics see where they see the batch, as BatchNorm's do; ``None`` for
            all others, and where BatchNorm uses its running statistics alone.
        micro_batch: samples in one forward pass on one device; ``None`` where it changes nothing and is
            chosen when the memory of the device is known.
        without_effect: a line for every typed key that changes nothing.
        own_code: the digests of the user's own code that it names, by the key that names it, as the process has them
            that asked for the run; empty where this is that process.
    """

    config: TrainConfig
    steps: int
    steps_per_epoch: int
    warmup_steps: float
    lr: float
    norm_batch: int | None
    micro_batch: int | None
    without_effect: tuple[str, ...] = ()
    own_code: Mapping[str, str] = field(default_factory=dict)

    @property
    def epochs(self) -> float:
        """Passes over the training data, counted in samples."""
        return self.steps * self.config.batch / self.config.data.train_samples


def resolve(config: DictConfig | dict[str, Any], given: list[str] | None = None, *, stored: bool = False) -> Resolved:
    """Check a composed configuration and derive the rest.

    Args:
        config: as Hydra composed it, or as a run directory keeps it.
        given: overrides as typed. ``steps=`` there outweighs a recipe's ``epochs`` and the other way round.
        stored: it was read from a file of a run: no code that it names is called.

    Raises:
        UserError: for the first thing that is wrong.
    """
    node: Any = config if isinstance(config, DictConfig) else OmegaConf.create(config)
    _refuse_unknown(node)
    if OmegaConf.get_type(node) is not TrainConfig:
        node = OmegaConf.merge(OmegaConf.structured(TrainConfig), node)
    node = _named_own(node)
    _refuse_open(node)
    if OmegaConf.is_missing(node.model, "name"):
        if node.model.family == CUSTOM:
            raise UserError(f"{MODEL.target}=null: model=custom needs a value, such as {MODEL.target}={MODEL.example}")
        raise UserError(
            f"model={node.model.family}: is no network by itself; name one, for example model.name=resnet18"
        )
    if OmegaConf.is_interpolation(node.data, "train_size") and node.model.train_size is None:
        raise UserError(
            f"data.train_size=null: data={node.data.name} takes its image sizes from the network, and "
            f"{node.model.name} has none; give data.train_size=224 data.test_size=224, or another size"
        )
    unresolved: Any = OmegaConf.to_container(node.data, resolve=False)
    if unresolved["test_size"] == "${model.test_size}" and node.model.test_size is None:
        raise UserError(
            f"data.test_size=null: data={node.data.name} takes it from the network, and {node.model.name} has none; "
            f"give data.test_size={node.data.train_size} too, or another size"
        )
    if named(node.data.name).any_set and OmegaConf.missing_keys(node.data):
        _refuse_code(node.data, stored)
        node = OmegaConf.merge(node, {"data": counted_in(node.data)})
    if OmegaConf.is_missing(node.model, "normalizer") and node.model._target_ is not None:
        _refuse_code(node.model, stored)
        own = OmegaConf.to_object(OmegaConf.merge(node.model, {"normalizer": "none"}))
        assert isinstance(own, ModelConfig)
        found = found_normalizer(own, node.data.classes, node.data.channels)
        node = OmegaConf.merge(node, {"model": {"normalizer": found}})
    typed = OmegaConf.to_object(node)
    assert isinstance(typed, TrainConfig)
    _settle_own_normalizer(typed.model, stored)
    typed.data.label = named(typed.data.name).label(typed.data)
    _settle_length(typed, given or [])
    if MODEL.is_custom(typed) and typed.model.name in network_names():
        raise UserError(
            f"model.name={typed.model.name}: is a network of normfree, and {typed.model._target_} is yours; "
            "give it another name, such as model.name=mine"
        )
    validate(typed)
    settle_weights(typed, stored)
    steps_per_epoch = typed.data.train_samples // typed.batch
    steps = typed.steps if typed.steps is not None else _steps(typed)
    warmup = _warmup_steps(typed, steps)
    lr = typed.lr if typed.lr is not None else typed.optimizer.base_lr * typed.batch / LR_REFERENCE_BATCH
    if (final := typed.optimizer.final_lr) is not None and final > lr:
        raise UserError(
            f"optimizer.final_lr={final:g}: greater than the learning rate of {lr:g}; set it to that or less"
        )
    micro_batch, norm_batch = _batches(typed)
    idle = without_effect(typed, references(OmegaConf.to_container(node, resolve=False)), given or [])
    return Resolved(typed, steps, steps_per_epoch, warmup, lr, norm_batch, micro_batch, idle)


def resolve_stored(content: Any) -> Resolved:
    """A configuration as a run directory or a submission keeps it: values alone, nothing that refers elsewhere.

    Raises:
        UserError: it holds something else, or as :func:`resolve`.
    """
    if not isinstance(content, dict):
        raise UserError("a stored configuration: is no table of keys and values; start the run again")
    if found := _interpolation(content):
        raise UserError(f"a stored configuration: {found} refers to something outside of it; start the run again")
    return resolve(content, stored=True)


def _named_own(node: Any) -> Any:
    """A network of the user's own is called as its class or function; images have the size that a network asks for."""
    model, found = node.model, {}
    if model._target_ is not None and OmegaConf.is_missing(model, "family"):
        model = OmegaConf.merge(model, {"family": CUSTOM})
        found["model"] = {"family": CUSTOM}
    unnamed = OmegaConf.is_missing(model, "name") or model.name == CUSTOM
    if unnamed and model._target_ is not None and model.family == CUSTOM:
        found["model"] = {"family": CUSTOM, "name": model._target_.rpartition(".")[2] or model._target_}
    own_data = not OmegaConf.is_missing(node.data, "name") and node.data.name == CUSTOM
    if own_data and OmegaConf.is_missing(node.data, "train_size") and model.train_size is not None:
        found["data"] = {"train_size": model.train_size}
    return OmegaConf.merge(node, found) if found else node


def _refuse_open(node: Any) -> None:
    """What an option of the user's own leaves open and nothing here fills in."""
    for group, name in (("model", "family"), *((each, "name") for each in ("clip", "data", "optimizer", "logger"))):
        if OmegaConf.is_missing(node[group], name):
            raise UserError(
                f"{group}.{name}=???: the file in conf/{group}/ leaves it open; give it there, or begin the file with "
                f"defaults: [{CUSTOM}, _self_]"
            )


def _refuse_code(group: Any, stored: bool) -> None:
    if stored:
        raise UserError(
            f"a stored configuration: leaves open what {group._target_} would have to say; start the run again"
        )


def _settle_own_normalizer(model: ModelConfig, stored: bool) -> None:
    """A normaliser of the user's own says what its statistics see, before what follows from it is worked out."""
    if not is_known(model.normalizer):
        model.normalizer = target_of(model.normalizer)
    if not is_target(model.normalizer) or own_normalizer(model) is None:
        return
    if stored:
        if model.normalizer_sees not in SEEN:
            raise UserError(
                f"a stored configuration: leaves open what {model.normalizer} would have to say; start the run again"
            )
        return
    sees = seen_by(model.normalizer)
    if model.normalizer_sees not in (None, sees):
        raise UserError(f"model.normalizer_sees={model.normalizer_sees}: {model.normalizer} says {sees}; leave it out")
    model.normalizer_sees = sees


def _interpolation(content: Any) -> str:
    """The first text that would be replaced by something else; a part that stands often is looked at once."""
    waiting, seen = [content], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, str) and "${" in each:
            return each
        if isinstance(each, dict | list) and id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each
    return ""


def _refuse_unknown(config: DictConfig) -> None:
    """Keys that were added with ``+``: they would be ignored."""
    content, known = _table(config), _known()
    for key, value in content.items():
        if key not in known:
            raise UserError(f"{key}={value}: no such key; python train.py --help lists groups and keys")
        if isinstance(known[key], dict) and isinstance(value, dict):
            for inner in value:
                if inner not in known[key]:
                    there_are = ", ".join(sorted(known[key]))
                    raise UserError(f"{key}.{inner}={value[inner]}: no such key; there are: {there_are}")


@cache
def _known() -> dict[str, Any]:
    return _table(OmegaConf.structured(TrainConfig))


def _table(config: Any) -> dict[str, Any]:
    content = OmegaConf.to_container(config, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _settle_length(config: TrainConfig, given: list[str]) -> None:
    keys = {override.split("=", 1)[0].lstrip("+") for override in given}
    if "steps" in keys and "epochs" not in keys:
        config.epochs = None
    if "epochs" in keys and "steps" not in keys:
        config.steps = None
    if any(f"optimizer.{key}" in keys for key in WARMUP_KEYS):
        for key in WARMUP_KEYS:
            if f"optimizer.{key}" not in keys:
                setattr(config.optimizer, key, None)


def _steps(config: TrainConfig) -> int:
    assert config.epochs is not None
    steps = math.floor(config.data.train_samples * config.epochs / config.batch)
    if steps < 1:
        raise UserError(
            f"epochs={config.epochs:g}: less than one step of batch={config.batch} over "
            f"{config.data.train_samples} images; train longer or use a smaller batch"
        )
    return steps


def _warmup_steps(config: TrainConfig, steps: int) -> float:
    optimizer = config.optimizer
    key, warmup = "warmup_epochs", (optimizer.warmup_epochs or 0.0) * config.data.train_samples / config.batch
    if optimizer.warmup_steps is not None:
        key, warmup = "warmup_steps", optimizer.warmup_steps
    if optimizer.warmup_share is not None:
        key, warmup = "warmup_share", optimizer.warmup_share * steps
    if warmup >= steps:
        raise UserError(
            f"optimizer.{key}={getattr(optimizer, key):g}: {counted(warmup, 'step')} of warm-up are not shorter than "
            f"the training of {counted(steps, 'step')}; train longer or set optimizer.{key} lower"
        )
    return warmup


def _batches(config: TrainConfig) -> tuple[int | None, int | None]:
    """Micro batch and norm_batch. Where statistics see the batch, the micro batch is never chosen by what memory there
    is."""
    trainer = config.trainer
    plan = plan_batch(config.batch, trainer.devices, trainer.nodes, trainer.micro_batch)
    check_sam(config, plan)
    if sees(config.model) != "batch":
        return trainer.micro_batch, None
    ghost = config.model.ghost_batch
    if ghost is not None and plan.micro_batch % ghost:
        raise UserError(
            f"model.ghost_batch={ghost}: does not divide the micro batch of {plan.micro_batch} samples; "
            f"use a divisor of {plan.micro_batch}"
        )
    seen = plan.micro_batch * (plan.world_size if config.model.sync_norm else 1)
    return plan.micro_batch, ghost or seen
