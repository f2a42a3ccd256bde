"""The grammar of what is said: one run and two runs, a tensor and an int."""


def counted(number: int | float, noun: str, plural: str = "") -> str:
    """``1 run``, ``2 runs``, ``1,200 runs``, ``2.5 steps``.

    Args:
        noun: for one.
        plural: for any other number, where it does not end in s alone.
    """
    figure = f"{number:,}" if isinstance(number, int) else f"{number:,.6g}"
    return f"{figure} {noun if number == 1 else plural or noun + 's'}"


def some(word: str) -> str:
    """``a Tensor``, ``an int``."""
    return f"{'an' if word[:1].lower() in 'aeio' else 'a'} {word}"
