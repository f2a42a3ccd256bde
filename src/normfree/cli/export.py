"""``export.py``: a trained network for other programs."""

from collections.abc import Sequence

from normfree.export import keys as export_keys

INTERRUPTED = "interrupted; nothing was written"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return export_keys.help_text()


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, weights that are not there, or a file that computes something else.
    """
    keys = export_keys.read_export(words)
    from normfree.export.command import export

    return export(keys)
