"""Training and evaluating one run, on one device or as one rank of several."""

import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytorch_lightning as pl
import torch

from normfree.config import BatchPlan, Resolved, UserError, optimizer_warnings
from normfree.config.schema import DataConfig
from normfree.config.sources import is_ffcv, is_resident
from normfree.data import Source, build_source
from normfree.nets import localise, synchronise
from normfree.probe import batch_dependence
from normfree.runs import RunDirectory, run_id
from normfree.train.callbacks import (
    Checkpoint,
    FiniteGuard,
    GradientClipping,
    Monitor,
    MovingAverage,
    RunningStatistics,
)
from normfree.train.callbacks.checkpoint import CheckpointFile
from normfree.train.callbacks.monitor import mean_abs_skip_gain
from normfree.train.chance import Chance, against_chance
from normfree.train.evaluation import Scores, measure
from normfree.train.hardware import plan_for
from normfree.train.loader import RunBatches
from normfree.train.module import Classifier
from normfree.train.outcome import Outcome, has_learned, has_stalled, status_of
from normfree.train.parts.network import build_network, network_cost
from normfree.train.ranks.lightning import RankEnvironment, settle_strides, strategy_for
from normfree.train.ranks.world import ALONE, World
from normfree.train.record.clip_telemetry import RunTelemetry
from normfree.train.record.metrics import MetricsFile, NoFile
from normfree.train.record.tracker import Tracker
from normfree.train.record.wandb import open_tracker
from normfree.train.resume import DATA, Start, find_start
from normfree.train.stopping import StopRequest

EVALUATED = ("test/", "validation/")
PROBE_IMAGES = 8
WAIT_SHARE, WAIT_SECONDS = 0.1, 1.0
"""Waiting for images for a greater share of the time, and for longer, is worth a warning."""
PROBE_LIMIT_MACS = 200_000_000
"""Networks of more multiply-adds an image are not probed for batch dependence: float64 would take too long."""


def fit(
    resolved: Resolved,
    directory: RunDirectory,
    device: torch.device,
    progress: Callable[[dict[str, float]], None],
    stop: StopRequest,
    world: World = ALONE,
) -> Outcome:
    """Train to the last step, to divergence, until progress is given up or to a stop request; then evaluate.

    Rank 0 alone writes.
    """
    config = resolved.config
    pl.seed_everything(config.seed, workers=True, verbose=False)
    network = build_network(resolved)
    cost = network_cost(resolved)
    # Where the micro batch goes by the memory that is free, the rank with the least of it decides.
    plan = min(world.gather(plan_for(resolved, cost, device)), key=lambda plan: plan.micro_batch)
    source = build_source(resolved, plan.micro_batch, device, world.share)
    synchronised = config.model.sync_norm and world.size > 1
    if synchronised:
        network = synchronise(network)
    if config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if world.size > 1:
        settle_strides(network, config.precision)
    # Building and costing a network draws random numbers; training starts from the seed whatever they were.
    torch.manual_seed(config.seed)
    module = Classifier(resolved, network)
    if world.leader:
        for text in optimizer_warnings(config):
            warnings.warn(text, stacklevel=2)

    def score(network: torch.nn.Module, split: str) -> Scores | None:
        if source.size(split) == 0:
            return None
        return measure(network, source, split, module.device, config.trainer.channels_last, world)

    def trained(split: str) -> Scores | None:
        return score(module.network, split)

    def averaged(split: str) -> dict[str, float]:
        scores = None if module.average is None else score(module.average.module, split)
        return {} if scores is None else scores.named(split, "ema_")

    def evaluation(split: str) -> dict[str, float]:
        scores = trained(split)
        return {} if scores is None else scores.named(split) | averaged(split)

    with open_tracker(resolved, directory) if world.leader else nullcontext(Tracker()) as tracker:
        origin = {"run": run_id(resolved), DATA: source.digest}
        start: Start = world.gather(find_start(directory, origin) if world.leader else Start())[0]
        if start.refused:
            raise UserError(start.refused)
        metrics: MetricsFile = NoFile()
        telemetry = None
        if world.leader:
            metrics = MetricsFile(directory.metrics, tracker.write)
            telemetry = RunTelemetry(resolved, directory, tracker)
        clipping = GradientClipping(config.clip, telemetry)
        batches = RunBatches(
            source, resolved.steps * plan.accumulation, plan.accumulation, world.share, module.ascent_samples
        )
        told = progress if world.leader else lambda row: None
        records = [metrics.rows, telemetry.rows] if telemetry is not None else []
        minutes = config.trainer.checkpoint_minutes
        checkpoint = Checkpoint(directory.checkpoints, minutes, stop, world, records, start.lost_rows)
        monitor = Monitor(
            resolved, clipping, metrics, told, lambda: evaluation("validation"), lambda: batches.waited, world,
            lambda trainer: checkpoint.keep(trainer, "best.ckpt"),
            lambda: has_learned(monitor.rule, against_chance(config.outcome, trained)),
        )  # fmt: skip
        decay = config.optimizer.ema_decay
        averaging = [MovingAverage(decay)] if decay is not None else []
        guard = FiniteGuard(clipping, monitor, world)
        # Synchronised ones are the same on all ranks.
        statistics = RunningStatistics(ALONE if synchronised else world)
        callbacks = [clipping, guard, statistics, *averaging, monitor, checkpoint]
        trainer = _trainer(resolved, plan, device, directory, callbacks, CheckpointFile(origin))
        trainer.fit(module, batches, ckpt_path=start.checkpoint, weights_only=True)
        module.to(device)  # Lightning leaves it on the processor
        module.network = localise(network) if synchronised else network
        outcome = Outcome(
            status="preempted",
            steps_done=trainer.global_step,
            cost={"parameters": cost.parameters, "macs": cost.macs_train},
            batch=_cut_of(plan),
            lost_rows=start.lost_rows,
            data=dict(source.read),
            time={
                "images_per_second": config.batch * monitor.steps_timed / max(monitor.train_seconds, 1e-9),
                "data_wait_share": monitor.wait_seconds / max(monitor.train_seconds, 1e-9),
            },
        )
        if world.leader:
            warn_of_waiting(monitor.wait_seconds, monitor.train_seconds, config.data)
        if trainer.global_step < resolved.steps and not (monitor.rule.reason or monitor.rule.stopped):
            tracker.finish(vars(outcome.stopped_by(stop)))
            return outcome
        outcome = _concluded(outcome, resolved, module, monitor, trained, averaged)
        monitor.evaluated(trainer, outcome.metrics)
        if monitor.best is not None:
            best = {"best/step": monitor.best[0], "best/validation_accuracy": monitor.best[1]}
            outcome = replace(outcome, metrics={**outcome.metrics, **best})
        scores = {key: value for key, value in outcome.metrics.items() if key.startswith(EVALUATED)}
        if scores:
            place = {"step": outcome.steps_done, "epoch": outcome.steps_done / resolved.steps_per_epoch}
            metrics.write(place | scores)
            if cost.macs_train <= PROBE_LIMIT_MACS and world.leader:
                outcome = replace(outcome, batch_dependence=_probe(module, source))
        outcome = replace(outcome, skipped_images=_skipped(source, config.data, world))
        if telemetry is not None:
            telemetry.finish()
        tracker.finish(vars(outcome))
        checkpoint.keep(trainer, "final.ckpt")
        return replace(outcome, records={file.path.name: file.sha256 for file in records if not file.empty})


def _trainer(
    resolved: Resolved,
    plan: BatchPlan,
    device: torch.device,
    directory: RunDirectory,
    callbacks: list[pl.Callback],
    checkpoints: CheckpointFile,
) -> pl.Trainer:
    """Lightning with everything off that a run does itself: logging, checkpoints, progress, validation."""
    strategy = strategy_for(device, plan.devices, plan.nodes)
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=strategy,
        plugins=[checkpoints, *([RankEnvironment(None)] if strategy == "auto" else [])],
        precision=resolved.config.precision,  # type: ignore[arg-type]
        max_epochs=1,
        max_steps=resolved.steps,
        accumulate_grad_batches=plan.accumulation,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=directory.path,
    )


def _skipped(source: Source, data: DataConfig, world: World) -> dict[str, int]:
    """Unreadable images by split: every rank has all of a set in memory, else its own share of them."""
    parts = [source.skipped()] if is_resident(data) else world.gather(source.skipped())
    total = {split: sum(part[split] for part in parts) for split in parts[0]}
    return {split: count for split, count in total.items() if count}


def warn_of_waiting(waited: float, seconds: float, data: DataConfig) -> None:
    """Where training ``waited`` long for images in ``seconds``, say what can be done about it."""
    if waited <= WAIT_SHARE * seconds or waited < WAIT_SECONDS:
        return
    if is_resident(data):
        remedy = "the images are in memory, their augmentation takes this long: choose a lighter augment="
    elif is_ffcv(data):
        remedy = f"give data.workers={data.workers} more processor cores"
    else:
        remedy = f"raise data.workers={data.workers}, or use data.loader=resident (in memory) or data.loader=ffcv"
    warnings.warn(f"training waited for images {waited / seconds:.0%} of its time; {remedy}", stacklevel=2)


def _cut_of(plan: BatchPlan) -> dict[str, int]:
    return {
        "micro": plan.micro_batch,
        "accumulation": plan.accumulation,
        "devices": plan.devices,
        "nodes": plan.nodes,
    }


def _concluded(
    outcome: Outcome,
    resolved: Resolved,
    module: Classifier,
    monitor: Monitor,
    trained: Callable[[str], Scores | None],
    averaged: Callable[[str], dict[str, float]],
) -> Outcome:
    """Evaluate a run that has come to its end and say what it is; see docs/decisions/0004-outcomes.md."""
    rule, settings = monitor.rule, resolved.config.outcome
    gain = mean_abs_skip_gain(module)
    final: dict[str, float | None] = {
        "train/initial_loss": rule.initial,
        "train/final_loss": rule.final,
        "skip_gain/mean_abs": gain,
    }
    if not all(bool(torch.isfinite(parameter).all()) for parameter in module.parameters()):
        return replace(
            outcome, status="diverged", reason=rule.reason or "weights are not finite at the end", metrics=final
        )
    scores = {split: trained(split) for split in ("test", "validation")}
    for split, found in scores.items():
        final |= {} if found is None else found.named(split) | averaged(split)
    chance: Chance | None = against_chance(settings, scores.__getitem__)
    broken = rule.reason or _non_finite(final)
    status, reason = ("diverged", broken) if broken else status_of(rule, chance)
    return replace(
        outcome,
        status=status,
        reason=reason,
        stalled=None if status == "diverged" else has_stalled(settings, gain),
        chance=None if chance is None else chance.record(),
        metrics=final,
    )


def _non_finite(final: dict[str, float | None]) -> str:
    for key, value in final.items():
        if value is not None and not math.isfinite(value):
            return f"{key} is {value} at the end"
    return ""


def _probe(module: Classifier, source: Source) -> dict[str, float]:
    split = "test" if source.size("test") else "validation"
    batch = next(iter(source.evaluation_batches(split, PROBE_IMAGES)))
    return batch_dependence(module.network, batch.images, batch.labels)
