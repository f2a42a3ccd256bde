"""What makes two runs the same: a hash over everything that can change the result."""

import hashlib
import json
import re
from dataclasses import replace
from typing import Any

from normfree.config import OPTIMIZER_KEYS, SCHEMA_VERSION, Resolved
from normfree.config.clipping import CLIP_KEYS
from normfree.config.effect import PUBLISHED_EPS, acting, acts
from normfree.config.networks import own_normalizer
from normfree.config.normalizers import OPTIONS
from normfree.config.parts import NORMALIZER, PARTS, Part, own_parts
from normfree.config.schema import ModelConfig
from normfree.config.sources import named
from normfree.runs.own_code import source_digest

_IRRELEVANT = "trainer", "logger", "experiment", "sweep", "plan", "again", "runs_dir", "evaluate_also"
# The last three act through augment, whose values they give.
_DATA_IRRELEVANT = (
    "root", "train_file", "test_file", "workers", "label", "cache", "download",
    "crop_padding", "resized_crop", "mirror",
)  # fmt: skip
# Options that came later; left out where they are not given or do nothing, so that earlier runs keep their names.
_LATER_MODEL_OPTIONS = (
    "standardization", "bottleneck_ratio", "weights_sha256", "head", "freeze", "freeze_norm", "normalizer_sees",
    *OPTIONS,
)  # fmt: skip
_LATER_DATA_OPTIONS = "mean", "std", "keep_aspect"
_LATER_AUGMENT_OPTIONS = "erasing", "mix_first", "increasing", "alternate", "test_flip"
_LATER_OPTIMIZER_OPTIONS = ("final_lr", "ema_decay", "sam_rho", "layer_decay")
_LATER_GROUPS = ("attack", "private")

# Where weights lie and what they are called; what they are is weights_sha256.
_OF_WEIGHTS = ("weights", "weights_kind", "weights_run", "weights_arm")

_LONGEST = 120
"""Characters of the readable part of a run's name."""


def science(resolved: Resolved) -> dict[str, Any]:
    """The part of a configuration that can change the result.

    Paths, loggers, worker counts and the experiment's name are left out; so are devices and the micro batch,
    which enter through ``norm_batch`` alone. Lengths and learning rate enter as what they come to.
    """
    content = acting(resolved.config)
    for key in _IRRELEVANT:
        del content[key]
    for key in _OF_WEIGHTS:
        del content["model"][key]
    label = content["data"]["label"]
    for key in _DATA_IRRELEVANT:
        del content["data"][key]
    if named(resolved.config.data.name).any_set:
        content["data"]["label"] = label
    later = {"model": _LATER_MODEL_OPTIONS, "data": _LATER_DATA_OPTIONS, "augment": _LATER_AUGMENT_OPTIONS}
    for group, keys in later.items():
        for key in keys:
            if not content[group][key] or not acts(resolved.config, f"{group}.{key}"):
                del content[group][key]
    # Samples drawn by another loader, or without the unreadable ones, are others.
    for key, usual in (("loader", "auto"), ("on_error", "raise")):
        if content["data"][key] == usual:
            del content["data"][key]
    for key in ("epochs", "steps", "lr"):
        del content[key]
    for key in ("base_lr", "warmup_epochs", "warmup_steps", "warmup_share"):
        del content["optimizer"][key]
    content["optimizer"] = _used_by_the_optimizer(content["optimizer"])
    del content["model"]["sync_norm"]  # enters through norm_batch
    if resolved.norm_batch is not None:
        del content["model"]["ghost_batch"]
    used = CLIP_KEYS[resolved.config.clip.name]
    own = {part.group: _own(part, resolved, content[part.group]) for part in PARTS if part.group in content}
    content["clip"] = {key: value for key, value in content["clip"].items() if key == "name" or key in used}
    clip = resolved.config.clip
    if content["clip"].get("eps_scope") in (None, "all"):
        content["clip"].pop("eps_scope", None)
    if clip.stages is not None:
        content["clip"]["stages"] = sorted(_stages(clip.stages))
    if frozen := content["model"].get("freeze"):
        content["model"]["freeze"] = sorted(_stages(frozen))
    for group, values in own.items():
        content[group] |= values
    if NORMALIZER.is_custom(resolved.config):
        content["model"]["normalizer_source"] = source_of(NORMALIZER, resolved)
    for group in _LATER_GROUPS:
        if content[group]["name"] == "none":
            del content[group]
    if resolved.config.trainer.compile:
        content["compile"] = True
    if (sent := resolved.config.trainer.gradient_dtype) is not None:
        content["gradient_dtype"] = sent
    return content | {
        "schema_version": SCHEMA_VERSION,
        "steps": resolved.steps,
        "warmup_steps": float(resolved.warmup_steps),
        "lr": float(resolved.lr),
        "norm_batch": resolved.norm_batch,
        "channels_last": resolved.config.trainer.channels_last,
    }


def with_own_code(resolved: Resolved) -> Resolved:
    """The same run for another process, whatever that finds where it looks for the user's own code."""
    return replace(resolved, own_code={part.target: source_of(part, resolved) for part in own_parts(resolved.config)})


def _own(part: Part, resolved: Resolved, group: dict[str, Any]) -> dict[str, Any]:
    """Takes target and arguments out of a group of the configuration; gives what identifies the user's own code."""
    target, arguments = group.pop("_target_"), group.pop("arguments")
    given = {"arguments": arguments} if arguments else {}
    if not part.is_custom(resolved.config):
        return given
    return {"_target_": target, "source": source_of(part, resolved), **given}


def source_of(part: Part, resolved: Resolved) -> str:
    """The digest of the user's own code behind a part that is custom."""
    return resolved.own_code.get(part.target) or source_digest(part.named(resolved.config), part.target)


def _used_by_the_optimizer(settings: dict[str, Any]) -> dict[str, Any]:
    used = OPTIMIZER_KEYS[settings["name"]]
    unused = {key for keys in OPTIMIZER_KEYS.values() for key in keys if key not in used}
    unused |= {key for key in _LATER_OPTIMIZER_OPTIONS if settings[key] is None}
    if settings["sam_rho"] is None:
        unused.add("sam_share")
    return {key: value for key, value in settings.items() if key not in unused}


def digest(content: dict[str, Any]) -> str:
    """Eight hexadecimal digits that do not depend on the order of keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def arm_id(resolved: Resolved) -> str:
    """The same for runs that differ only in their seed, and in that of the run whose weights they start from."""
    content = science(resolved)
    del content["seed"]
    if (source := resolved.config.model.weights_arm) is not None:
        content["model"]["weights_sha256"] = source
    return digest(content)


def run_id(resolved: Resolved) -> str:
    """Readable name and hash: ``nf_resnet20-agc0.01-b64-lr0.4-s0-1a2b3c4d``, with ``-ft`` if it started from weights.

    Of a run that is trained anew beside the first, ``.again-2`` and so on follow: see `normfree.runs.again`.
    """
    config = resolved.config
    started = [] if config.model.weights is None else ["ft"]
    parts = [network_label(config.model), *started, clip_label(resolved).lower().replace(" ", ""), f"b{config.batch}"]
    if resolved.norm_batch is not None and resolved.norm_batch != config.batch:
        parts.append(f"bn{resolved.norm_batch}")
    parts += [f"lr{resolved.lr:g}", f"s{config.seed}"]
    # Networks of other libraries and clippers of the user's own bring names that are no names of files.
    readable = re.sub(r"[^\w.+-]", "_", "-".join(parts)).lstrip("._-")
    anew = f".again-{config.again}" if config.again > 1 else ""
    return f"{readable[:_LONGEST]}-{digest(science(resolved))}{anew}"


def network_label(model: ModelConfig) -> str:
    """How a network is called, with a normaliser that is not its own: ``resnet20_groupnorm``."""
    own = own_normalizer(model)
    return model.name if own in (None, model.normalizer) else f"{model.name}_{model.normalizer.rpartition('.')[2]}"


def _stages(given: list[str]) -> list[str]:
    """Each once, from the stem to the head."""
    named = {str(int(stage)) if stage.isdigit() else stage for stage in given}
    return sorted(named, key=lambda stage: (stage == "head", stage != "stem", int(stage) if stage.isdigit() else 0))


def clip_label(resolved: Resolved) -> str:
    """How figures call the clipping: ``none``, ``norm 1``, ``AGC 0.01``, ``ZClip 2.5 cap 1``, or a user's function."""
    clip = resolved.config.clip
    if clip.name == "agc":
        floor = f" eps {clip.eps:g}" if clip.eps != PUBLISHED_EPS else ""
        whose = f" of {clip.eps_scope}" if floor and clip.eps_scope not in (None, "all") else ""
        where = f" in {'+'.join(_stages(clip.stages))}" if clip.stages is not None else ""
        return f"AGC {clip.clip_factor:g}{floor}{whose}{where}"
    if clip.name == "custom":
        return str(clip._target_).rpartition(".")[2]
    if clip.name == "zclip":
        return f"ZClip {clip.z_threshold:g} " + ("no cap" if clip.max_norm is None else f"cap {clip.max_norm:g}")
    if clip.name == "adagc":
        return f"AdaGC {clip.max_ratio:g} after {clip.warmup_steps}"
    if clip.name == "autoclip":
        return f"AutoClip {clip.percentile:g}"
    if clip.name == "per_tensor":
        return f"per tensor {clip.max_norm:g}"
    return f"norm {clip.max_norm:g}" if clip.name == "norm" else "none"
