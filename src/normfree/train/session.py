"""What one training works with, made in the order that its random numbers ask for."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import pytorch_lightning as pl
import torch

from normfree.config import BatchPlan, Resolved, UserError, optimizer_warnings
from normfree.data import Source, build_source
from normfree.nets import ClassifierNetwork, synchronise
from normfree.runs import RunDirectory, run_id
from normfree.runs.rows import RowFile
from normfree.train.examiner import Examiner
from normfree.train.loader import RunBatches
from normfree.train.module import Classifier
from normfree.train.parts.attack import Attack
from normfree.train.parts.compiled import forward_of
from normfree.train.parts.initial_values import initialise_from_data
from normfree.train.parts.network import build_network
from normfree.train.parts.private import PrivateSteps
from normfree.train.parts.weights import give_weights
from normfree.train.peak_memory import PeakMemory
from normfree.train.preflight import Ready
from normfree.train.ranks.lightning import settle_strides
from normfree.train.ranks.world import World
from normfree.train.record.clip_telemetry import RunTelemetry
from normfree.train.record.metrics import MetricsFile, NoFile
from normfree.train.record.tracker import Tracker
from normfree.train.record.wandb import open_tracker
from normfree.train.resume import DATA, Start, find_start
from normfree.train.same_kernels import deterministic_convolutions


@dataclass(frozen=True)
class Session:
    """One training.

    Attributes:
        plan: how the batch is cut, the same on all ranks.
        synchronised: BatchNorm's statistics are those of all ranks.
        origin: what a checkpoint of this run says of itself.
        telemetry: on rank 0 alone.
        records: the files of rows that this process writes.
    """

    resolved: Resolved
    directory: RunDirectory
    world: World
    ready: Ready
    plan: BatchPlan
    source: Source
    module: Classifier
    synchronised: bool
    examiner: Examiner
    batches: RunBatches
    origin: dict[str, str]
    start: Start
    tracker: Tracker
    metrics: MetricsFile
    telemetry: RunTelemetry | None
    records: list[RowFile]
    memory: PeakMemory


@contextmanager
def prepare(resolved: Resolved, directory: RunDirectory, ready: Ready, world: World) -> Iterator[Session]:
    """Network, images, and the record where it goes on; the tracker is closed however the training ends.

    Raises:
        UserError: images that cannot be read, or that are not those of a checkpoint.
    """
    config, memory = resolved.config, PeakMemory(ready.device)
    pl.seed_everything(config.seed, workers=True, verbose=False)
    network = build_network(resolved)
    # Where the micro batch goes by the memory that is free, the rank with the least of it decides.
    plan = min(world.gather(ready.plan), key=lambda plan: plan.micro_batch)
    source = build_source(resolved, plan.micro_batch, ready.device, world.share)
    synchronised = config.model.sync_norm and world.size > 1
    network = _laid_out(synchronise(network) if synchronised else network, resolved, world)
    # Building and costing a network draws random numbers; training starts from the seed whatever they were.
    torch.manual_seed(config.seed)
    module = Classifier(resolved, network)
    if config.attack.name != "none":
        module.attack = Attack(config.attack, source.statistics(), config.seed)
    if config.private.name != "none":
        module.private = PrivateSteps(resolved)
    if config.trainer.compile:
        once_a_step = plan.accumulation == 1 and module.ascent_samples == 0 and world.size == 1
        module.compiled = forward_of(network, ready.device, once_a_step)
    batches = RunBatches(
        source, resolved.steps * plan.accumulation, plan.accumulation, world.share, module.ascent_samples
    )
    for text in optimizer_warnings(config) if world.leader else ():
        warnings.warn(text, stacklevel=2)
    tracked = open_tracker(resolved, directory) if world.leader else nullcontext(Tracker())
    with deterministic_convolutions(ready.device), tracked as tracker:
        origin = {"run": run_id(resolved), DATA: source.digest}
        start: Start = world.gather(find_start(directory, origin) if world.leader else Start())[0]
        if start.refused:
            raise UserError(start.refused)
        if start.checkpoint is None:
            if config.model.weights is None:
                initialise_from_data(network, source, world.gather)
            give_weights(network, resolved)
        metrics = MetricsFile(directory.metrics, tracker.write) if world.leader else NoFile()
        telemetry = RunTelemetry(resolved, directory, tracker) if world.leader else None
        yield Session(
            resolved, directory, world, ready, plan, source, module, synchronised, Examiner(module, source, world),
            batches, origin, start, tracker, metrics, telemetry,
            records=[metrics.rows, telemetry.rows] if telemetry is not None else [], memory=memory,
        )  # fmt: skip


def _laid_out(network: ClassifierNetwork, resolved: Resolved, world: World) -> ClassifierNetwork:
    """In the layout in memory that the configuration and several ranks ask for."""
    config = resolved.config
    if config.precision == "64-true":
        network.double()  # Lightning would only after a checkpoint has been loaded, which would be rounded.
    if config.trainer.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if world.size > 1:
        settle_strides(network, config.precision)
    return network
