"""What is said of commands, in the words by which the user called one: ``normfree train`` or ``python train.py``."""

import re

_installed = False


def say_installed() -> None:
    """The command of the installed package was called."""
    global _installed
    _installed = True


def spoken(text: str) -> str:
    """The text, with every command in the user's form."""
    return installed(text) if _installed else text


def installed(text: str) -> str:
    """The text, with every command as it is called wherever normfree is installed, in a clone too."""
    text = re.sub(r"python (train|report|runs|bench|evaluate|predict|export)\.py", r"normfree \1", text)
    return text.replace("python -m normfree.data.convert", "normfree convert")
