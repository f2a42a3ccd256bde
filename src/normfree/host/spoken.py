"""What is said of commands, in the words by which the user called one: ``normfree train`` or ``python train.py``."""

import re

_installed = False


def say_installed() -> None:
    """The command of the installed package was called."""
    global _installed
    _installed = True


def spoken(text: str) -> str:
    """The text, with every command in the user's form."""
    if not _installed:
        return text
    text = re.sub(r"python (train|report|runs|predict|bench)\.py", r"normfree \1", text)
    return text.replace("python -m normfree.data.convert", "normfree convert")
