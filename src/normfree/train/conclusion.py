"""The end of a run: what is evaluated, what it is called, and what is kept of it."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytorch_lightning as pl
import torch

from normfree.config import BatchPlan
from normfree.config.sources import is_resident
from normfree.probe import batch_dependence
from normfree.train.also import measured_also
from normfree.train.callbacks import Callbacks, Recorder
from normfree.train.callbacks.recorder import mean_abs_skip_gain
from normfree.train.chance import against_chance
from normfree.train.data_wait import warn_of_waiting
from normfree.train.loss_rule import LossRule
from normfree.train.outcome import Outcome, has_stalled, status_of
from normfree.train.session import Session
from normfree.train.stopping import StopRequest

EVALUATED = ("test/", "validation/")
PROBE_IMAGES = 8
PROBE_LIMIT_MACS = 200_000_000
"""Networks of more multiply-adds an image are not probed for batch dependence: float64 would take too long."""


def conclude(session: Session, made: Callbacks, trainer: pl.Trainer, stop: StopRequest) -> Outcome:
    """Evaluate a run whose training has ended, record it and keep its weights; one that was stopped stays as it is."""
    outcome = _so_far(session, trainer.global_step, made.recorder)
    if trainer.global_step < session.resolved.steps and not made.watch.over:
        outcome = replace(outcome, time=outcome.time | _memory(session))
        session.tracker.finish(vars(outcome.stopped_by(stop)))
        return outcome
    outcome = _judged(outcome, session, made.watch.rule)
    made.best.compare(trainer, outcome.metrics)
    outcome = replace(outcome, metrics={**outcome.metrics, **made.best.columns()})
    scores = {key: value for key, value in outcome.metrics.items() if key.startswith(EVALUATED)}
    if scores:
        steps = outcome.steps_done
        session.metrics.write({"step": steps, "epoch": steps / session.resolved.steps_per_epoch} | scores)
        if _outputs_finite(outcome.metrics):
            outcome = replace(outcome, batch_dependence=_batch_dependence(session))
    outcome = replace(outcome, skipped_images=_skipped(session), time=outcome.time | _memory(session))
    if session.telemetry is not None:
        session.telemetry.finish()
    session.tracker.finish(vars(outcome))
    made.checkpoint.keep(trainer, "final.ckpt")
    return replace(outcome, records={file.path.name: file.sha256 for file in session.records if not file.empty})


def _so_far(session: Session, steps: int, recorder: Recorder) -> Outcome:
    """What is known of a run whose training has ended, wherever it has."""
    seconds, waited, data = recorder.train_seconds, recorder.wait_seconds, session.resolved.config.data
    if session.world.leader:
        warn_of_waiting(waited, seconds, data)
    return Outcome(
        status="preempted",
        steps_done=steps,
        cost={
            "parameters": session.ready.cost.parameters,
            "trained_parameters": sum(
                each.numel() for each in session.module.network.parameters() if each.requires_grad
            ),
            "macs": session.ready.cost.macs_train,
        },
        batch=_cut_of(session.plan),
        lost_rows=session.start.lost_rows,
        data=dict(session.source.read),
        time={
            "images_per_second": session.resolved.config.batch * recorder.steps_timed / max(seconds, 1e-9),
            "data_wait_share": waited / max(seconds, 1e-9),
        },
    )


def _judged(outcome: Outcome, session: Session, rule: LossRule) -> Outcome:
    """Evaluate a run that has come to its end and say what it is; see docs/decisions/0004-outcomes.md."""
    settings, examiner = session.resolved.config.outcome, session.examiner
    gain = mean_abs_skip_gain(session.module)
    final: dict[str, float | None] = {
        "train/initial_loss": rule.initial,
        "train/final_loss": rule.final,
        "skip_gain/mean_abs": gain,
    }
    if session.module.private is not None:
        final |= session.module.private.spent(outcome.steps_done)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in session.module.parameters()):
        reason = rule.reason or "weights are not finite at the end"
        return replace(outcome, status="diverged", reason=reason, metrics=final)
    scores = {split: examiner.trained(split) for split in ("test", "validation")}
    for split, found in scores.items():
        final |= {} if found is None else found.named(split) | examiner.averaged(split)
    final |= measured_also(session)
    chance = against_chance(settings, scores.__getitem__) if _outputs_finite(final) else None
    broken = rule.reason or _non_finite(final)
    status, reason = ("diverged", broken) if broken else status_of(rule, chance)
    return replace(
        outcome,
        status=status,
        reason=reason,
        stalled=None if status == "diverged" else has_stalled(settings, gain),
        chance=None if chance is None else chance.record(),
        metrics=_meant(final),
    )


def _outputs_finite(metrics: Mapping[str, float | None]) -> bool:
    """Whether those on the run's own images are; where one is not, the loss is not."""
    return all(math.isfinite(metrics.get(f"{split}/loss") or 0.0) for split in ("test", "validation"))


def _meant(final: dict[str, float | None]) -> dict[str, float | None]:
    """Less the accuracies of outputs that are not finite, which are those of whatever class comes first."""
    broken = [
        key.removesuffix("loss")
        for key, value in final.items()
        if key.endswith("loss") and not key.startswith("train/") and value is not None and not math.isfinite(value)
    ]
    dropped = {f"{of}{name}" for of in broken for name in ("accuracy", "top5_accuracy")}
    return {key: value for key, value in final.items() if key not in dropped}


def _non_finite(final: dict[str, float | None]) -> str:
    for key, value in final.items():
        if value is not None and not math.isfinite(value):
            return f"{key} is {value} at the end"
    return ""


def _batch_dependence(session: Session) -> dict[str, float] | None:
    if session.ready.cost.macs_train > PROBE_LIMIT_MACS or not session.world.leader:
        return None
    split = "test" if session.source.size("test") else "validation"
    batch = next(iter(session.source.evaluation_batches(split, PROBE_IMAGES)))
    return batch_dependence(session.module.network, batch.images, batch.labels)


def _memory(session: Session) -> dict[str, float]:
    (peak,) = session.world.highest([session.memory.bytes()])
    return {session.memory.name: peak}


def _skipped(session: Session) -> dict[str, int]:
    """Unreadable images by split: every rank has all of a set in memory, else its own share of them."""
    source = session.source
    parts = [source.skipped()] if is_resident(session.resolved.config.data) else session.world.gather(source.skipped())
    total = {split: sum(part[split] for part in parts) for split in parts[0]}
    return {split: count for split, count in total.items() if count}


def _cut_of(plan: BatchPlan) -> dict[str, int]:
    return {
        "micro": plan.micro_batch,
        "accumulation": plan.accumulation,
        "devices": plan.devices,
        "nodes": plan.nodes,
    }
