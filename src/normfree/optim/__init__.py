"""Parameter groups, optimizers, learning-rate schedules, moving average, SAM and PGD. Needs torch alone."""

from normfree.optim.adaptive import build_adamw, build_lamb, build_lion
from normfree.optim.ema import ExponentialMovingAverage, ema_decay
from normfree.optim.muon import Muon, build_muon
from normfree.optim.orthogonal import orthogonalized
from normfree.optim.parameter_groups import ParameterGroup, layer_shares, parameter_groups
from normfree.optim.pgd import PixelScale, attacked
from normfree.optim.sam import SharpnessAware, ascent_samples
from normfree.optim.schedule import scaled_lr, warmup_cosine
from normfree.optim.sgd import build_sgd
from normfree.optim.sphere import SphereSGD, build_sphere

__all__ = [
    "ExponentialMovingAverage",
    "Muon",
    "ParameterGroup",
    "PixelScale",
    "SharpnessAware",
    "SphereSGD",
    "ascent_samples",
    "attacked",
    "build_adamw",
    "build_lamb",
    "build_lion",
    "build_muon",
    "build_sgd",
    "build_sphere",
    "ema_decay",
    "layer_shares",
    "orthogonalized",
    "parameter_groups",
    "scaled_lr",
    "warmup_cosine",
]
