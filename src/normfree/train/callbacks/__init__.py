"""What happens around a step: clipping, the record of the run, checkpoints. `order.py` says when."""

from normfree.train.callbacks.best import BestWeights
from normfree.train.callbacks.checkpoint import Checkpoint
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.callbacks.ema import MovingAverage
from normfree.train.callbacks.guard import FiniteGuard
from normfree.train.callbacks.loss_watch import LossWatch
from normfree.train.callbacks.order import Callbacks
from normfree.train.callbacks.random_states import RandomStates
from normfree.train.callbacks.recorder import Recorder
from normfree.train.callbacks.statistics import RunningStatistics

__all__ = [
    "BestWeights",
    "Callbacks",
    "Checkpoint",
    "FiniteGuard",
    "GradientClipping",
    "LossWatch",
    "MovingAverage",
    "RandomStates",
    "Recorder",
    "RunningStatistics",
]
