"""The callbacks of a run, in which order they are called, and why."""

from dataclasses import dataclass, fields

import pytorch_lightning as pl

from normfree.train.callbacks.best import BestWeights
from normfree.train.callbacks.checkpoint import Checkpoint
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.callbacks.ema import MovingAverage
from normfree.train.callbacks.guard import FiniteGuard
from normfree.train.callbacks.loss_watch import LossWatch
from normfree.train.callbacks.random_states import RandomStates
from normfree.train.callbacks.recorder import Recorder
from normfree.train.callbacks.statistics import RunningStatistics

ORDER: dict[type[pl.Callback], str] = {
    GradientClipping: "first at a step: its statistics are what the guard judges and rows record",
    FiniteGuard: "after clipping, whose statistics it reads; drops what is not finite before the optimizer takes it",
    RunningStatistics: "before what copies, evaluates or saves BatchNorm's running statistics",
    MovingAverage: "after the statistics, which it copies; before what evaluates or saves the average",
    LossWatch: "before rows, which take the losses from it and are written when it says that a step is the last",
    BestWeights: "is asked by the recorder, and has no place of its own in a step",
    Recorder: "before checkpoints: last.ckpt counts on the rows up to its step, and on best.ckpt being written",
    RandomStates: "after everything that may draw when training starts",
    Checkpoint: "last: what it saves is the state after all others are done with the step",
}
"""Callback -> the reason for its place."""


@dataclass(frozen=True)
class Callbacks:
    """One of each kind; ``average`` where a moving average is kept."""

    clipping: GradientClipping
    guard: FiniteGuard
    statistics: RunningStatistics
    average: MovingAverage | None
    watch: LossWatch
    best: BestWeights
    recorder: Recorder
    random_states: RandomStates
    checkpoint: Checkpoint

    def in_order(self) -> list[pl.Callback]:
        """As Lightning is given them."""
        made = {type(one): one for each in fields(self) if (one := getattr(self, each.name)) is not None}
        return [made[kind] for kind in ORDER if kind in made]
