"""Seconds as people read them."""


def duration(seconds: float) -> str:
    """``0:42``, ``12:05`` or ``3:07:00``."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
