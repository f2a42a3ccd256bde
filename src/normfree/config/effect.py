"""Which keys act in a configuration: every key of the schema is in one of the two tables here.

A key that does not act leaves the identity of a run, and is told where it was typed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, fields, replace
from typing import Any, NamedTuple

from normfree.config.attack import ATTACK_KEYS
from normfree.config.clipping import CLIP_KEYS
from normfree.config.networks import has_skip_gains, usual_of
from normfree.config.normalizers import OPTIONS, facts_of
from normfree.config.optimizer import OPTIMIZER_KEYS
from normfree.config.parts import MODEL, NORMALIZER, PARTS
from normfree.config.private import PRIVATE_KEYS
from normfree.config.schema import AugmentConfig, TrainConfig
from normfree.config.sources import is_ffcv, is_resident, named
from normfree.config.sources.cifar import CIFAR


class Rule(NamedTuple):
    """When a key acts.

    Attributes:
        acts: of a checked configuration.
        otherwise: why it does not, after 'has no effect'; braces hold keys whose values are told.
    """

    acts: Callable[[TrainConfig], bool]
    otherwise: str


def _clipped_by(key: str) -> Rule:
    return Rule(lambda config: key in CLIP_KEYS[config.clip.name], "with clip={clip.name}")


def _optimized_by(key: str) -> Rule:
    return Rule(lambda config: key in OPTIMIZER_KEYS[config.optimizer.name], "with optimizer={optimizer.name}")


def _adaptive(key: str) -> Rule:
    def acts(config: TrainConfig) -> bool:
        optimizer = config.optimizer
        return key in OPTIMIZER_KEYS[optimizer.name] and (optimizer.name != "muon" or optimizer.others == "adamw")

    return Rule(acts, "with optimizer={optimizer.name} and optimizer.others={optimizer.others}")


def _from_files(config: TrainConfig) -> bool:
    return named(config.data.name).from_files


def randaugments(augment: AugmentConfig) -> bool:
    """Whether RandAugment changes anything: not at the 0 of the scale that begins there."""
    return augment.randaugment_layers > 0 and not (augment.increasing and augment.magnitude == 0)


def _mixes(augment: AugmentConfig) -> bool:
    return augment.mixup > 0 or augment.cutmix > 0


PUBLISHED_EPS = 1e-3
"""AGC's floor of a parameter's norm (arXiv 2102.06171)."""

_WANDB = Rule(lambda config: config.logger.name == "wandb", "without logger=wandb")
_OF_WEIGHTS = Rule(lambda config: config.model.weights is not None, "without model.weights")
_OF_EMBEDDED = "with data={data.name}, which is embedded"

EFFECT: Mapping[str, Rule] = {
    "augment.alternate": Rule(lambda config: config.augment.flip, "without augment.flip"),
    "augment.magnitude": Rule(
        lambda config: config.augment.randaugment_layers > 0, "without augment.randaugment_layers"
    ),
    "augment.randaugment_layers": Rule(
        lambda config: config.augment.randaugment_layers == 0 or randaugments(config.augment),
        "with augment.magnitude={augment.magnitude}, which changes nothing",
    ),
    "augment.increasing": Rule(
        lambda config: config.augment.randaugment_layers > 0, "without augment.randaugment_layers"
    ),
    "augment.mix_first": Rule(
        lambda config: randaugments(config.augment) and _mixes(config.augment),
        "without augment.randaugment_layers and augment.mixup or augment.cutmix",
    ),
    **{
        f"attack.{key}": Rule(lambda config: config.attack.name != "none", "with attack={attack.name}")
        for key in ATTACK_KEYS["pgd"]
    },
    **{
        f"private.{key}": Rule(lambda config: config.private.name != "none", "with private={private.name}")
        for key in PRIVATE_KEYS["dpsgd"]
    },
    "clip.clip_factor": _clipped_by("clip_factor"),
    "clip.eps": _clipped_by("eps"),
    "clip.eps_scope": Rule(
        lambda config: config.clip.name == "agc" and config.clip.eps != PUBLISHED_EPS,
        "with clip={clip.name} and clip.eps={clip.eps}",
    ),
    "clip.unit": _clipped_by("unit"),
    "clip.scope": _clipped_by("scope"),
    **{
        f"clip.{key}": _clipped_by(key)
        for key in ("max_norm", "z_threshold", "max_ratio", "decay", "warmup_steps", "percentile")
    },
    **{
        part.arguments: Rule(part.is_custom, f"with {part.group}={{{part.group}.name}}")
        for part in PARTS
        if part is not MODEL  # what else a network of this package takes
    },
    "data.root": Rule(lambda config: _from_files(config) or is_ffcv(config.data), _OF_EMBEDDED),
    "data.train_file": Rule(lambda config: is_ffcv(config.data), "without data.loader=ffcv"),
    "data.test_file": Rule(lambda config: is_ffcv(config.data), "without data.loader=ffcv"),
    "data.workers": Rule(lambda config: not is_resident(config.data), "where images are held in memory"),
    "data.on_error": Rule(_from_files, _OF_EMBEDDED),
    "data.keep_aspect": Rule(_from_files, _OF_EMBEDDED),
    "data.cache": Rule(lambda config: _from_files(config) and is_resident(config.data), "without data.loader=resident"),
    "data.download": Rule(lambda config: config.data.name in CIFAR, "with data={data.name}"),
    "logger.project": _WANDB,
    "logger.mode": _WANDB,
    "logger.timeout": _WANDB,
    "logger.tags": _WANDB,
    **{
        f"model.{option}": Rule(
            lambda config, option=option: option in facts_of(config.model.normalizer).options,  # type: ignore[misc]
            "with model.normalizer={model.normalizer}",
        )
        for option in OPTIONS
    },
    "model.normalizer_sees": Rule(NORMALIZER.is_custom, "with model.normalizer={model.normalizer}"),
    "model.sync_norm": Rule(
        lambda config: config.trainer.devices * config.trainer.nodes > 1, "on trainer.devices={trainer.devices}"
    ),
    "model.weights_kind": _OF_WEIGHTS,
    "model.head": _OF_WEIGHTS,
    "model.weights_sha256": _OF_WEIGHTS,
    "model.weights_run": _OF_WEIGHTS,
    "model.weights_arm": _OF_WEIGHTS,
    "optimizer.base_lr": Rule(lambda config: config.lr is None, "beside lr={lr}"),
    "optimizer.momentum": _optimized_by("momentum"),
    "optimizer.nesterov": Rule(
        lambda config: "nesterov" in OPTIMIZER_KEYS[config.optimizer.name] and config.optimizer.momentum > 0,
        "with optimizer={optimizer.name} and optimizer.momentum={optimizer.momentum}",
    ),
    **{f"optimizer.{key}": _optimized_by(key) for key in ("ns_steps", "adjust_lr", "others", "others_lr_ratio")},
    "optimizer.others_momentum": Rule(
        lambda config: config.optimizer.name == "muon" and config.optimizer.others == "sgd",
        "with optimizer={optimizer.name} and optimizer.others={optimizer.others}",
    ),
    **{f"optimizer.{key}": _adaptive(key) for key in ("beta1", "beta2", "eps")},
    **{f"optimizer.{key}": _optimized_by(key) for key in ("head_lr", "bias_lr")},
    "optimizer.sam_share": Rule(lambda config: config.optimizer.sam_rho is not None, "without optimizer.sam_rho"),
    "outcome.stalled_skip_gain": Rule(
        lambda config: has_skip_gains(config.model),
        "with model={model.name}, which has no skip gains",
    ),
    "trainer.evaluate_every": Rule(
        lambda config: config.data.validation_samples > 0, "with data.validation_samples={data.validation_samples}"
    ),
}
"""Keys that act in some configurations only."""

THROUGH: Mapping[str, str] = {
    "data.crop_padding": "with augment={augment.name}, which takes augment.shift from elsewhere",
    "data.resized_crop": "with augment={augment.name}, which takes augment.random_resized_crop from elsewhere",
    "data.mirror": "with augment={augment.name}, which takes augment.flip from elsewhere",
    "model.train_size": "beside data.train_size={data.train_size}",
    "model.test_size": "beside data.test_size={data.test_size}",
}
"""Keys that act where another key refers to them, and not by themselves."""


def without_effect(config: TrainConfig, referred: set[str], given: Sequence[str]) -> tuple[str, ...]:
    """A line for every typed key that changes nothing.

    Args:
        referred: keys that other keys take their values from.
        given: overrides as typed.
    """
    lines = []
    for override in given:
        key, equals, value = override.lstrip("+").partition("=")
        if equals and (why := reason(config, key, referred)):
            lines.append(f"{key}={value} has no effect {why}")
    return tuple(dict.fromkeys(lines))


def reason(config: TrainConfig, key: str, referred: set[str]) -> str:
    """Why a key changes nothing here, after 'has no effect'; empty for one that acts."""
    for part in PARTS:
        if key.startswith(f"{part.arguments}."):
            key = part.arguments
    if key in THROUGH:
        why = "" if key in referred else THROUGH[key]
    else:
        rule = EFFECT.get(key)
        why = "" if rule is None or rule.acts(config) else rule.otherwise
    return re.sub(r"\{([\w.]+)\}", lambda found: str(_value(config, found[1])), why)


def references(content: Any) -> set[str]:
    """The keys that a configuration's own values refer to, before they are resolved."""
    if isinstance(content, str):
        return set(re.findall(r"\$\{([\w.]+)\}", content))
    inner = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return {key for each in inner for key in references(each)}


def acts(config: TrainConfig, key: str) -> bool:
    """Whether a key changes anything in this configuration."""
    rule = EFFECT.get(key)
    return key not in THROUGH and (rule is None or rule.acts(_without_idle_layers(config)))


def acting(config: TrainConfig) -> dict[str, Any]:
    """The configuration as a table in which what does not act, or says the usual in other words, is as if not given."""
    config = _without_idle_layers(config)
    content = asdict(config)
    for key, rule in EFFECT.items():
        group, _, name = key.partition(".")
        if not rule.acts(config):
            content[group][name] = _default(getattr(config, group), name)
    for key in THROUGH:
        group, _, name = key.partition(".")
        content[group][name] = _default(getattr(config, group), name)
    usual = {} if MODEL.is_custom(config) else usual_of(config.model.name)
    for name, value in content["model"].items():
        if name in usual and value == usual[name] and name != "normalizer":
            content["model"][name] = None
    data = replace(config.data, loader="auto")
    if (is_resident(data), is_ffcv(data)) == (is_resident(config.data), is_ffcv(config.data)):
        content["data"]["loader"] = "auto"
    if config.optimizer.final_lr == 0:
        content["optimizer"]["final_lr"] = None
    if config.optimizer.layer_decay == 1:
        content["optimizer"]["layer_decay"] = None
    content["augment"]["name"] = _augmentation(config.augment)
    for part in PARTS:
        content[part.group]["arguments"] = _plain(content[part.group]["arguments"]) or None
    return content


def _without_idle_layers(config: TrainConfig) -> TrainConfig:
    if randaugments(config.augment):
        return config
    return replace(config, augment=replace(config.augment, randaugment_layers=0))


def _augmentation(augment: AugmentConfig) -> str:
    """A name by what acts, so that two ways to the same values are one run; the names are those of ``conf/augment``."""
    parts = {
        "move": augment.random_resized_crop or augment.flip,
        "shift": augment.shift > 0,
        "erasing": augment.erasing > 0,
        "mixup": augment.mixup > 0,
        "cutmix": augment.cutmix > 0,
        "randaugment": randaugments(augment),
        "mix_first": augment.mix_first and randaugments(augment) and _mixes(augment),
    }
    on = {name for name, acts in parts.items() if acts}
    if on <= {"shift"}:
        return "shift" if on else "none"
    names = {
        frozenset(): "crop_flip",
        frozenset({"mixup"}): "mixup",
        frozenset({"randaugment"}): "randaugment",
        frozenset({"mixup", "cutmix"}): "cutmix_mixup",
        frozenset({"randaugment", "mixup", "cutmix", "erasing"}): "strong",
        frozenset({"randaugment", "mixup", "cutmix", "mix_first"}): "paper",
    }
    return names.get(frozenset(on - {"move", "shift"}), "own")


def _plain(value: Any) -> Any:
    """1.0 and 1 are one number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _default(group: Any, name: str) -> Any:
    own = next(each for each in fields(group) if each.name == name)
    return own.default_factory() if own.default_factory is not MISSING else own.default


def _value(config: TrainConfig, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return f"{value:g}" if isinstance(value, float) else value
