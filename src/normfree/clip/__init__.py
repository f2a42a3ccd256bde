"""Gradient clipping as pure functions on ``parameter.grad``. Needs torch alone."""

from normfree.clip.agc import clip_grad_agc_
from normfree.clip.backends import BACKENDS, backend
from normfree.clip.classifier import classifier_of
from normfree.clip.floor import EPS_SCOPES, PUBLISHED_EPS, floors
from normfree.clip.global_norm import clip_grad_norm_
from normfree.clip.scope import SCOPES, clipped_parameters, parts_of
from normfree.clip.statistics import ClipStatistics, NormStatistics, UnitStatistics
from normfree.clip.units import UNITS, unit_dims
from normfree.clip.watched import gradient_norm, watched

__all__ = [
    "BACKENDS",
    "EPS_SCOPES",
    "PUBLISHED_EPS",
    "SCOPES",
    "UNITS",
    "ClipStatistics",
    "NormStatistics",
    "UnitStatistics",
    "backend",
    "classifier_of",
    "clip_grad_agc_",
    "clip_grad_norm_",
    "clipped_parameters",
    "floors",
    "gradient_norm",
    "parts_of",
    "unit_dims",
    "watched",
]
