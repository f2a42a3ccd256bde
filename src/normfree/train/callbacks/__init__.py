"""What happens around a step: clipping, the record of the run, checkpoints."""

from normfree.train.callbacks.checkpoint import Checkpoint
from normfree.train.callbacks.clipping import GradientClipping
from normfree.train.callbacks.ema import MovingAverage
from normfree.train.callbacks.guard import FiniteGuard
from normfree.train.callbacks.monitor import Monitor
from normfree.train.callbacks.statistics import RunningStatistics

__all__ = ["Checkpoint", "FiniteGuard", "GradientClipping", "Monitor", "MovingAverage", "RunningStatistics"]
