"""Whether an accuracy could be that of guessing."""

import math


def p_of_guessing(correct: int, images: int, share: float) -> float:
    """Probability that who is right with probability ``share`` each time is right at least ``correct`` times.

    The exact one-sided binomial test. Guessing the largest class is right for its share of the images.

    Args:
        share: in [0, 1].
    """
    if correct <= 0:
        return 1.0
    from scipy.special import bdtrc

    return float(bdtrc(correct - 1, images, share))


def tells(images: int, share: float, level: float) -> bool:
    """Whether so few images can show anything: being right half-way from guessing to always is better at ``level``."""
    return images > 0 and share < 1 and p_of_guessing(math.floor(images * (1 + share) / 2), images, share) <= level
