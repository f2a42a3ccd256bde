"""Whether an accuracy could be that of guessing."""


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
    """Whether so few images could show anything: all of them right would be better than guessing at ``level``."""
    return images > 0 and share < 1 and share**images <= level
