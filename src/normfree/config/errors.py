"""The one exception that means: the user can put this right."""


class UserError(Exception):
    """A problem with what was asked for, told in one line that names the key, its value and the remedy.

    The command line prints the line without a traceback and exits with code 2.
    """


WORKS = "data=mnist5k is embedded and works now"
"""Ends the line about images that are missing."""
