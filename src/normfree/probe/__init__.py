"""Measurements of a network: how it depends on its batch."""

from normfree.probe.batch_dependence import batch_dependence

__all__ = ["batch_dependence"]
