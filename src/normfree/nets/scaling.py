"""The analytic variance of the residual stream.

Source: Brock et al. 2021 (arXiv 2101.08692), section 3: ``x' = x + alpha * f(x / beta)`` with beta the
expected standard deviation of x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_stds(depth: Sequence[int], alpha: float) -> list[float]:
    """Expected standard deviation of the input of every block, over all stages in order.

    A branch adds ``alpha ** 2`` to the variance. The first block of a stage normalises its shortcut too,
    so the variance starts again from 1 after it.

    Args:
        depth: blocks per stage.
        alpha: weight of every residual branch.
    """
    stds: list[float] = []
    std = 1.0
    for blocks in depth:
        for index in range(blocks):
            stds.append(std)
            std = math.sqrt((1.0 if index == 0 else std**2) + alpha**2)
    return stds
