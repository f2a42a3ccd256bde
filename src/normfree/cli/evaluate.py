"""``evaluate.py``: how good a trained network is."""

from collections.abc import Sequence

from normfree.evaluate import keys as evaluate_keys

INTERRUPTED = "interrupted; nothing was written"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return evaluate_keys.help_text()


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, weights that are not there, or images that do not fit them.
    """
    keys = evaluate_keys.read_evaluate(words)
    from normfree.evaluate.command import evaluate

    return evaluate(keys, words)
