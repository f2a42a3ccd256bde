"""The one exception that means: the user can put this right."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A problem with what was asked for, told in one line that names the key, its value and the remedy.

    The command line prints the line without a traceback and exits with code 2.
    """


WORKS = "data=mnist5k is embedded and works now"
"""Ends the line about images that are missing."""


def closest(word: str, known: Iterable[str], count: int = 1, cutoff: float = 0.5) -> list[str]:
    """The known words that are most like a word, the closest first.

    Args:
        cutoff: how like it they must be; 1 is the same.
    """
    return difflib.get_close_matches(word, sorted(known), n=count, cutoff=cutoff)


def nearest(word: str, known: Iterable[str]) -> str:
    """`", did you mean 'x'?"` for the closest known word, or an empty string."""
    close = closest(word, known)
    return f", did you mean '{close[0]}'?" if close else ""
