"""``normfree convert``: any data set as FFCV's files."""

from collections.abc import Sequence

from normfree.config import conversion
from normfree.config.keys import read_keys
from normfree.host.spoken import spoken

INTERRUPTED = "interrupted; whole files are kept, the same command writes the rest"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return conversion.help_text()


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, or data that cannot be converted.
    """
    if not words:
        print(spoken(help_text()), end="")
        return 0
    keys = read_keys(conversion.Conversion, words, command="python -m normfree.data.convert")
    from normfree.data.convert import convert

    convert(keys)
    return 0
