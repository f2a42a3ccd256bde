"""Gradient clipping on ``parameter.grad``: pure functions, and objects that know earlier steps. Needs torch alone."""

from normfree.clip.adagc import AdaGC
from normfree.clip.agc import clip_grad_agc_
from normfree.clip.autoclip import AutoClip
from normfree.clip.backends import BACKENDS, backend
from normfree.clip.classifier import classifier_of
from normfree.clip.clippers import CLIPPERS, StatefulClipper
from normfree.clip.floor import EPS_SCOPES, PUBLISHED_EPS, floors
from normfree.clip.global_norm import clip_grad_norm_
from normfree.clip.per_tensor import PerTensor, clip_grad_per_tensor_
from normfree.clip.scope import SCOPES, clipped_parameters, parts_of
from normfree.clip.statistics import ClipStatistics, NormStatistics, UnitStatistics
from normfree.clip.units import UNITS, unit_dims
from normfree.clip.watched import gradient_norm, watched
from normfree.clip.zclip import ZClip

__all__ = [
    "BACKENDS",
    "CLIPPERS",
    "EPS_SCOPES",
    "PUBLISHED_EPS",
    "SCOPES",
    "UNITS",
    "AdaGC",
    "AutoClip",
    "ClipStatistics",
    "NormStatistics",
    "PerTensor",
    "StatefulClipper",
    "UnitStatistics",
    "ZClip",
    "backend",
    "classifier_of",
    "clip_grad_agc_",
    "clip_grad_norm_",
    "clip_grad_per_tensor_",
    "clipped_parameters",
    "floors",
    "gradient_norm",
    "parts_of",
    "unit_dims",
    "watched",
]
