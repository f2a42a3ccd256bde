"""Measurements of a network: how it depends on its batch, how the signal travels through its blocks."""

from normfree.probe.batch_dependence import batch_dependence
from normfree.probe.signal import BlockSignal, SignalPropagation, signal, signal_at_initialisation

__all__ = ["BlockSignal", "SignalPropagation", "batch_dependence", "signal", "signal_at_initialisation"]
