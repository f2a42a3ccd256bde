"""Learning rates.

Source: Brock et al. 2021 (arXiv 2102.06171), appendix A: linear warm-up from 0, then cosine to 0, and a
learning rate in proportion to the batch.
"""

from __future__ import annotations

import math


def warmup_cosine(step: int, total_steps: float, warmup_steps: float, final: float = 0.0) -> float:
    """What the maximal learning rate is multiplied by at `step`, counted from 0.

    ``step / warmup_steps`` up to the end of the warm-up, which need not be a whole number, so the learning
    rate of step 0 is exactly 0; then ``final + (1 - final) * (1 + cos(pi * t)) / 2`` with t rising from 0 to
    1 at `total_steps`, and `final` from there on. Without a warm-up step 0 has multiplier 1.

    Raises:
        ValueError: a warm-up that is negative or not shorter than the whole.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"warmup_steps={warmup_steps} has to be from 0 to below total_steps={total_steps}")
    if step < warmup_steps:
        return step / warmup_steps
    progress = min((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def scaled_lr(base_lr: float, batch: int) -> float:
    """Linear scaling: ``base_lr * batch / 256``, with `batch` the samples of one optimizer step."""
    return base_lr * batch / 256
