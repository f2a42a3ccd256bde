"""Weights of networks, from and to files."""

from normfree.nets.weights.load import load_weights, not_finite, read_weights
from normfree.nets.weights.safetensors_file import save_weights

__all__ = ["load_weights", "not_finite", "read_weights", "save_weights"]
