"""Noise of each pixel and channel by itself."""

from __future__ import annotations

import numpy as np

from normfree.data.corrupting import Corruption, Pixels


def gaussian(pixels: Pixels, deviation: float, scale: float, random: np.random.Generator) -> Pixels:
    """Normal noise of this deviation."""
    return pixels + random.normal(0.0, deviation, pixels.shape)


def shot(pixels: Pixels, photons: float, scale: float, random: np.random.Generator) -> Pixels:
    """As many photons at white as given, counted (Poisson)."""
    return random.poisson(pixels * photons) / photons


def impulse(pixels: Pixels, share: float, scale: float, random: np.random.Generator) -> Pixels:
    """A share of the values becomes black or white."""
    struck, white = random.random(pixels.shape) < share, random.random(pixels.shape) < 0.5
    return np.where(struck, white, pixels)


CORRUPTIONS = (
    Corruption("gaussian_noise", "noise", (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38), gaussian),
    Corruption("shot_noise", "noise", (500, 250, 100, 75, 50), (60, 25, 12, 5, 3), shot),
    Corruption("impulse_noise", "noise", (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27), impulse),
)
