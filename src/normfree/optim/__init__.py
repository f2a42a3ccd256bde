"""Parameter groups, optimizers, learning-rate schedules, moving average and SAM. Needs torch alone."""

from normfree.optim.adaptive import build_adamw, build_lamb, build_lion
from normfree.optim.ema import ExponentialMovingAverage, ema_decay
from normfree.optim.parameter_groups import ParameterGroup, layer_shares, parameter_groups
from normfree.optim.sam import SharpnessAware, ascent_samples
from normfree.optim.schedule import scaled_lr, warmup_cosine
from normfree.optim.sgd import build_sgd
from normfree.optim.sphere import SphereSGD, build_sphere

__all__ = [
    "ExponentialMovingAverage",
    "ParameterGroup",
    "SharpnessAware",
    "SphereSGD",
    "ascent_samples",
    "build_adamw",
    "build_lamb",
    "build_lion",
    "build_sgd",
    "build_sphere",
    "ema_decay",
    "layer_shares",
    "parameter_groups",
    "scaled_lr",
    "warmup_cosine",
]
