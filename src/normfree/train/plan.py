"""``plan=true``: what a run would do here, without doing it."""

from dataclasses import replace
from functools import partial

import torch

from normfree.config import Resolved, UserError, optimizer_warnings
from normfree.config.normalizers import facts_of
from normfree.config.schema import AttackConfig, DataConfig, OptimizerConfig, TrainConfig
from normfree.config.sources import Look, Reading, look_at, read_of
from normfree.config.sources.reading import listed
from normfree.config.weights import told_start
from normfree.host.sizes import size_text
from normfree.host.wording import counted
from normfree.runs import RunDirectory, clip_label
from normfree.runs.identity import network_label
from normfree.train.estimate import OF_A_RUN, TIMES, about, passes, seconds_of, seconds_to_start, tried
from normfree.train.hardware import device_name, free_memory, memory_estimate
from normfree.train.parts.network import Cost
from normfree.train.parts.private import PrivateSteps
from normfree.train.preflight import Ready, preflight
from normfree.train.reading_time import beside_told, reading_told, seconds_of_an_image, seconds_of_reading

_TRIED_LR = 1.6
"""The highest learning rate that a recipe of SGD here was tried at: NFNets at batch 4096, digits at batch 64."""


def describe_plan(resolved: Resolved) -> str:
    """The plan as lines of text; builds the network's shapes, trains nothing."""
    config = resolved.config
    lacks: dict[str, str] = {}
    ready = preflight(resolved, lacks=lacks)
    device, batch, cost = ready.device, ready.plan, ready.cost
    found, seen, missing = _reading(config.data, lacks.pop("images", ""))
    warnings = list(lacks.values())
    in_binary = partial(size_text, binary=True)
    needed = memory_estimate(resolved, cost, batch.micro_batch)
    free = free_memory(device)
    if needed > free:
        warnings.append(
            f"about {in_binary(needed)} needed and {in_binary(free)} free: set trainer.micro_batch to less than "
            f"{batch.micro_batch}" + (" (this changes norm_batch)" if resolved.norm_batch else "")
        )
    warnings += [*resolved.without_effect, *_recipe_warnings(resolved, device)]
    train, test = config.data.train_size, config.data.test_size
    size = f"{train} px" if train == test else f"{train} px in training, {test} px in testing"
    sizes = {train: cost.macs_train, test: cost.macs_test}
    macs = " and ".join(f"{count / 1e9:.4g} G at {side} px" for side, count in sorted(sizes.items()))
    rows = {
        "model": f"{network_label(config.model)}, {cost.parameters:,} parameters; multiply-adds an image: {macs}",
        "data": f"{config.data.label}, {config.data.train_samples:,} training images, "
        f"{config.data.validation_samples:,} for validation and {config.data.test_samples:,} for the test"
        f"{_held_out(found)}, {size}; "
        f"images {f'missing: {missing}' if missing else 'found'}" + (f", {seen}" if seen is not None else ""),
        **_read(found, seen),
        **({"start": start} if (start := told_start(config)) else {}),
        "augment": config.augment.name,
        "clip": clip_label(resolved),
        **({"attack": _attack(config)} if config.attack.name != "none" else {}),
        **({"private": _private(resolved)} if config.private.name != "none" else {}),
        "batch": f"{batch} on {device_name(device)}"
        + (
            f"; {facts_of(config.model.normalizer).title} statistics over {resolved.norm_batch}"
            if resolved.norm_batch
            else ""
        ),
        "length": f"{counted(resolved.steps, 'step')}, {resolved.epochs:,.4g} times the training images; "
        f"a pass is {resolved.steps_per_epoch:,} full batches",
        "lr": f"{resolved.lr:g} after {counted(resolved.warmup_steps, 'step')} of linear warm-up, then cosine to "
        f"{config.optimizer.final_lr or 0:g}",
        "optimizer": _optimizer(config.optimizer),
        "precision": config.precision
        + (", gradients sent in bf16" if config.trainer.gradient_dtype else "")
        + (", compiled in the first step" if config.trainer.compile else ""),
        "compute": f"{flop_text(flop_of(resolved, cost))} (forward and backward, 2 a multiply-add)",
        "memory": f"about {in_binary(needed)} for {counted(batch.micro_batch, 'image')} "
        "(weights, gradients, averages, activations)",
        "time": _time(resolved, ready, "" if not lacks else "this machine lacks what the run asks for"),
        "run": str(RunDirectory.of(resolved).path),
    }
    lines = [f"{key:<10} {value}" for key, value in rows.items()]
    return "\n".join([*lines, *(f"{'warning':<10} {text}" for text in warnings)])


def _reading(data: DataConfig, missing: str) -> tuple[Reading | None, Look | None, str]:
    """What is read of the images and what a look at some of them shows, or why they are missing."""
    if missing:
        return None, None, missing
    try:
        return read_of(data), look_at(data), ""
    except UserError as error:
        return None, None, str(error)


def _held_out(found: Reading | None) -> str:
    """Where test images come from that have no files of their own."""
    if found is None or "test" in found.images or "train" not in found.images:
        return ""
    both = "" if "validation" in found.images else "both "
    return f" ({both}held out of the {found.images['train']:,} there, which have no test split)"


def _read(found: Reading | None, seen: Look | None) -> dict[str, str]:
    """What lies there, and what of it is left out."""
    if found is None:
        return {}
    rows = {"read": f"{found}; digest {found.digest or 'known when the files are here'}"}
    remarks = found.remarks(everything=True)
    if seen is not None and seen.broken:
        remarks.append(f"unreadable images: {listed(map(str, seen.broken))}")
    if remarks:
        rows["not read"] = "; ".join(remarks)
    return rows


def flop_of(resolved: Resolved, cost: Cost) -> float:
    """Of all steps of a run, two a multiply-add."""
    return passes(resolved.config) * cost.macs_train * 2 * resolved.config.batch * resolved.steps


def _time(resolved: Resolved, ready: Ready, lacking: str) -> str:
    speed = lacking or tried(resolved, ready)
    if isinstance(speed, str):
        return f"not measured: {speed}"
    plan = ready.plan
    alone = " of one device alone" if plan.world_size > 1 else ""
    start, steps = seconds_to_start() + OF_A_RUN, seconds_of(resolved, plan.accumulation, speed)
    an_image = seconds_of_an_image(resolved)
    reading = seconds_of_reading(resolved, an_image, steps, ready.device.type == "cuda")
    return (
        f"{about(start + steps + reading)} here: {about(start)} to start and to end, {about(steps)} for steps and "
        f"evaluations{reading_told(an_image, reading)}; an estimate{alone} from {TIMES} steps on "
        f"{counted(speed.images, 'image')}, {beside_told(an_image)}"
    )


def _optimizer(settings: OptimizerConfig) -> str:
    momentum = f"momentum {settings.momentum:g}"
    if settings._target_ is not None:
        momentum = f"{settings._target_} {settings.arguments or ''}".rstrip()
    elif settings.name == "muon":
        momentum += f", others by {settings.others} at {settings.others_lr_ratio:g} times the rate"
    elif settings.name != "sgd":
        momentum = f"betas {settings.beta1:g} and {settings.beta2:g}"
    parts = [settings.name, momentum, f"weight decay {settings.weight_decay:g}"]
    parts.append(f"label smoothing {settings.label_smoothing:g}")
    if settings.sam_rho is not None:
        parts.append(f"SAM rho {settings.sam_rho:g} on {settings.sam_share:.0%} of the batch")
    if settings.layer_decay not in (None, 1):
        parts.append(f"rate times {settings.layer_decay:g} a stage from the head down")
    if settings.ema_decay is not None:
        parts.append(f"moving average {settings.ema_decay:g}")
    return ", ".join(parts)


def _attack(config: TrainConfig) -> str:
    attack = config.attack
    assert attack.epsilon is not None
    assert attack.step_size is not None
    without = passes(replace(config, attack=AttackConfig()))
    return (
        f"{attack.name}, up to {255 * attack.epsilon:.3g} of 255 a pixel in {counted(attack.steps or 0, 'step')} of "
        f"{255 * attack.step_size:.3g}; the arithmetic of a training step is {passes(config) / without:.3g} times that "
        "without it"
    )


def _private(resolved: Resolved) -> str:
    spent = PrivateSteps(resolved).spent(resolved.steps)
    return (
        f"{resolved.config.private.name}, after all steps epsilon {spent['private/epsilon']:.3g} at delta "
        f"{spent['private/delta']:g} as if batches were drawn by Poisson sampling, "
        f"{spent['private/epsilon_of_passes']:.3g} for passes over shuffled images; each image's gradient cut to a "
        f"norm of {resolved.config.private.max_norm:g}, noise of {spent['private/noise_multiplier']:.3g} times that "
        "on a batch's sum"
    )


def _recipe_warnings(resolved: Resolved, device: torch.device) -> list[str]:
    config = resolved.config
    found = optimizer_warnings(config)
    if device.type == "cuda" and torch.cuda.device_count() > config.trainer.devices:
        found.append(f"{torch.cuda.device_count()} GPUs here, {config.trainer.devices} used")
    if device.type == "cpu" and config.model.train_size is not None:
        found.append("no GPU is used: training a network of this size on a processor is not practical")
    if config.clip.name == "none" and config.model.normalizer == "none":
        found.append("a normaliser-free network without clipping diverges at high learning rates: try clip=agc")
    if config.clip.name == "adagc" and config.model.normalizer == "none":
        found.append(
            f"clip=adagc: after clip.warmup_steps={config.clip.warmup_steps} a tensor's limit grows slowly from its "
            "smallest norm so far, and skip gains that are not open by then hardly open: give warm-up these steps"
        )
    if config.model.freeze and config.model.weights is None:
        found.append(f"model.freeze={','.join(config.model.freeze)} freezes initial values: give model.weights too")
    if config.optimizer.name == "sgd" and resolved.lr > _TRIED_LR:
        origin = "" if config.lr is not None else f", {config.optimizer.base_lr:g} x {config.batch} / 256,"
        found.append(f"lr {resolved.lr:g}{origin} is above {_TRIED_LR:g}, the highest tried for a recipe: set lr")
    return found


def flop_text(count: float) -> str:
    for size, unit in ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e9:.3g} GFLOP"
