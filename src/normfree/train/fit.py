"""Training and evaluating one run, on one device or as one rank of several."""

import pytorch_lightning as pl

from normfree.config import Resolved
from normfree.nets import localise
from normfree.runs import RunDirectory
from normfree.runs.own_fault import exits_are_errors
from normfree.train.callbacks import (
    BestWeights,
    Callbacks,
    Checkpoint,
    FiniteGuard,
    GradientClipping,
    LossWatch,
    MovingAverage,
    RandomStates,
    Recorder,
    RunningStatistics,
)
from normfree.train.callbacks.checkpoint import CheckpointFile
from normfree.train.callbacks.clock import TrainingClock
from normfree.train.conclusion import conclude
from normfree.train.outcome import Outcome
from normfree.train.preflight import Ready
from normfree.train.ranks.lightning import RankEnvironment, strategy_for
from normfree.train.ranks.world import ALONE, World
from normfree.train.record.metrics import Progress
from normfree.train.session import Session, prepare
from normfree.train.stopping import StopRequest


def fit(
    resolved: Resolved,
    directory: RunDirectory,
    ready: Ready,
    progress: Progress,
    stop: StopRequest,
    world: World = ALONE,
) -> Outcome:
    """Train to the last step, to divergence, until progress is given up or to a stop request; then evaluate.

    Rank 0 alone writes.
    """
    with exits_are_errors(resolved.config), prepare(resolved, directory, ready, world) as session:
        made = callbacks(session, progress, stop)
        trainer = train(session, made)
        return conclude(session, made, trainer, stop)


def callbacks(session: Session, progress: Progress, stop: StopRequest) -> Callbacks:
    """What happens around a step of this run; `callbacks.order` says when."""
    resolved, world, clock = session.resolved, session.world, TrainingClock()
    config = resolved.config
    clipping = GradientClipping(config.clip, session.telemetry)
    checkpoint = Checkpoint(
        session.directory.checkpoints,
        config.trainer.checkpoint_minutes,
        stop,
        world,
        session.records,
        session.start.lost_rows,
    )
    watch = LossWatch(resolved, session.examiner, clock, world)
    best = BestWeights(resolved, session.examiner, checkpoint)
    told = progress if world.leader else _nobody
    return Callbacks(
        clipping=clipping,
        guard=FiniteGuard(clipping, watch, world),
        # Synchronised ones are the same on all ranks.
        statistics=RunningStatistics(ALONE if session.synchronised else world),
        average=None if config.optimizer.ema_decay is None else MovingAverage(config.optimizer.ema_decay),
        watch=watch,
        best=best,
        recorder=Recorder(resolved, clipping, watch, best, session.metrics, session.batches, clock, told),
        random_states=RandomStates(resolved, world),
        checkpoint=checkpoint,
    )


def train(session: Session, made: Callbacks) -> pl.Trainer:
    """From where the run stands to its last step, or to the one that a callback says is the last."""
    trainer = _trainer(session, made.in_order())
    trainer.fit(session.module, session.batches, ckpt_path=session.start.checkpoint, weights_only=True)
    session.module.to(session.ready.device)  # Lightning leaves it on the processor
    if session.synchronised:
        session.module.network = localise(session.module.network)
    return trainer


def _trainer(session: Session, ordered: list[pl.Callback]) -> pl.Trainer:
    """Lightning with everything off that a run does itself: logging, checkpoints, progress, validation."""
    plan, device = session.plan, session.ready.device
    strategy = strategy_for(device, plan.devices, plan.nodes, session.resolved.config.trainer.gradient_dtype)
    return pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=plan.devices,
        num_nodes=plan.nodes,
        strategy=strategy,
        plugins=[CheckpointFile(session.origin), *([RankEnvironment(None)] if strategy == "auto" else [])],
        precision=session.resolved.config.precision,  # type: ignore[arg-type]
        max_epochs=1,
        max_steps=session.resolved.steps,
        accumulate_grad_batches=plan.accumulation,
        callbacks=ordered,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=session.directory.path,
    )


def _nobody(row: dict[str, float]) -> None:
    """Is told the progress of ranks other than 0."""
